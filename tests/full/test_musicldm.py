"""MusicLDM at full size: random weights in the layout of ucsd-reach/musicldm give diffusers' waveform."""

from pathlib import Path

import pytest
import torch
from transformers import ClapFeatureExtractor

from tests.full import published
from tests.full.checkpoints import make_audible
from tests.generators.test_musicldm import diffusers_pipeline
from tests.random_weights import SAMPLE_CAPTIONS
from v2a_lightning.encoders import ClapEncoder
from v2a_lightning.generators import MusicLDM
from v2a_lightning.generators.diffusion_folder import build_scheduler
from v2a_lightning.miniature.models import train_tokenizer
from v2a_lightning.randomness import generators

pytestmark = [pytest.mark.full, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("musicldm")
    torch.manual_seed(0)
    vocoder, tokenizer = published.audioldm_vocoder(), train_tokenizer(SAMPLE_CAPTIONS)
    make_audible(vocoder)
    parts = {
        "unet": published.audioldm_unet(attention_head_dim=8),
        "vae": published.audioldm_vae(),
        "vocoder": vocoder,
        "scheduler": build_scheduler(),
        "text_encoder": published.musicldm_clap(len(tokenizer)),
        "feature_extractor": ClapFeatureExtractor(truncation="rand_trunc", frequency_min=50, frequency_max=14_000),
        "tokenizer": tokenizer,
    }
    for name, part in parts.items():
        part.save_pretrained(folder / name)
    return folder


@torch.no_grad()
def test_the_waveform_is_the_pipelines(folder: Path) -> None:
    ours, pipeline = MusicLDM(str(folder), steps=2, head_counts=[8, 8, 8, 8]), diffusers_pipeline(folder)
    assert sum(parameter.numel() for parameter in ours._part("unet").parameters()) == 185_036_552
    nothing = pipeline.text_encoder.get_text_features(**pipeline.tokenizer([""], return_tensors="pt")).pooler_output
    condition = ours.target(torch.randn(1, 48_000) * 0.1, 16_000)
    torch.testing.assert_close(ours._part("unconditional"), nothing[0], atol=1e-5, rtol=0)
    theirs = pipeline(
        prompt_embeds=condition[:, 0],
        negative_prompt_embeds=ours._part("unconditional")[None],
        num_inference_steps=2,
        guidance_scale=2.0,
        audio_length_in_s=1.28,
        generator=generators([1]),
        output_type="pt",
    ).audios
    waveform = ours.generate(condition, seconds=1.28, seeds=[1])
    assert theirs.std() > 1e-3
    torch.testing.assert_close(waveform, theirs, atol=1e-5, rtol=0)


def test_its_clap_is_htsat_base_and_the_published_heads_are_a_warning(folder: Path) -> None:
    clap = ClapEncoder(str(folder))
    assert clap.path == folder / "text_encoder"
    assert (clap.embedding_dim, clap.sample_rate) == (512, 48_000)
    with pytest.warns(UserWarning, match=r"head_counts=\[4, 8, 12, 20\]"):
        MusicLDM(str(folder)).load()
