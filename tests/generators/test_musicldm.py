"""MusicLDM: equal to diffusers' pipeline, with the CLAP of its own folder."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, MusicLDMPipeline, UNet2DConditionModel
from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel, SpeechT5HifiGan

from tests.generators.musicldm_folder import write_musicldm
from v2a_lightning.encoders import ClapEncoder
from v2a_lightning.errors import UsageError
from v2a_lightning.generators import Condition, MusicLDM
from v2a_lightning.randomness import generators


@pytest.fixture(scope="module")
def folder(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_musicldm(tmp_path_factory.mktemp("musicldm"), weights / "audioldm", weights / "clap")
    vae = folder / "vae" / "config.json"
    vae.write_text(json.dumps(json.loads(vae.read_text()) | {"scaling_factor": 0.387}))  # 1 would hide the division
    return folder


def diffusers_pipeline(folder: Path) -> MusicLDMPipeline:
    """diffusers' pipeline of a folder's parts."""
    pipeline = MusicLDMPipeline(
        vae=AutoencoderKL.from_pretrained(folder / "vae"),
        text_encoder=ClapModel.from_pretrained(folder / "text_encoder"),
        tokenizer=AutoTokenizer.from_pretrained(folder / "tokenizer"),
        feature_extractor=ClapFeatureExtractor.from_pretrained(folder / "feature_extractor"),
        unet=UNet2DConditionModel.from_pretrained(folder / "unet"),
        scheduler=DDIMScheduler.from_pretrained(folder / "scheduler"),
        vocoder=SpeechT5HifiGan.from_pretrained(folder / "vocoder"),
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@torch.no_grad()
def test_the_waveform_is_the_pipelines_from_the_same_weights_and_noise(folder: Path) -> None:
    condition = torch.nn.functional.normalize(torch.randn(3, 512, generator=torch.Generator().manual_seed(1)), dim=-1)
    pipeline = diffusers_pipeline(folder)
    clap, tokenizer = pipeline.text_encoder, pipeline.tokenizer
    # The pipeline's own way to the empty text's features does not work with transformers 5.
    nothing = clap.get_text_features(**tokenizer([""], return_tensors="pt")).pooler_output
    theirs = pipeline(
        prompt_embeds=condition,
        negative_prompt_embeds=nothing.expand_as(condition),
        num_inference_steps=4,
        guidance_scale=2.0,
        audio_length_in_s=2.56,
        generator=generators([1, 2, 3]),
        output_type="pt",
    ).audios
    ours = MusicLDM(str(folder), steps=4)
    assert ours.sampling() == {"steps": 4, "guidance": 2.0}
    torch.testing.assert_close(ours._part("unconditional"), nothing[0], atol=1e-6, rtol=0)
    waveforms = ours.generate(condition[:, None], seconds=2.56, seeds=[1, 2, 3])
    assert theirs.std() > 0.01
    torch.testing.assert_close(waveforms, theirs, atol=1e-5, rtol=0)


def test_the_target_is_its_own_claps_embedding(folder: Path, weights: Path) -> None:
    music = MusicLDM(str(folder))
    waveforms = torch.randn(2, 40_000, generator=torch.Generator().manual_seed(2)) * 0.1
    target = music.target(waveforms, 16_000)
    assert music.condition == Condition(tokens=1, width=512, normalized=True)
    assert torch.equal(target[:, 0], ClapEncoder(str(weights / "clap")).encode_audio(waveforms, 16_000))
    torch.testing.assert_close(target.norm(dim=-1), torch.ones(2, 1))
    agreement = music.agreement(ClapEncoder(str(folder)))
    assert agreement.same, agreement.evidence


def test_it_describes_itself_and_every_file_counts(folder: Path, tmp_path: Path) -> None:
    music = MusicLDM(str(folder), steps=7)
    described = music.describe()
    assert described["class_path"] == "v2a_lightning.generators.MusicLDM"
    assert described["init_args"]["steps"] == 7
    assert described["init_args"]["guidance"] == 2.0
    copied = shutil.copytree(folder, tmp_path / "copied")
    assert MusicLDM(str(copied)).fingerprint == music.fingerprint
    preprocessor = copied / "feature_extractor" / "preprocessor_config.json"
    preprocessor.write_text(preprocessor.read_text() + "\n")
    assert MusicLDM(str(copied)).fingerprint != music.fingerprint
    assert ClapEncoder(str(copied)).fingerprint != ClapEncoder(str(folder)).fingerprint


def test_a_missing_part_and_a_foreign_tensor_are_named(folder: Path, weights: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no MusicLDM folder in diffusers' layout: it has no text_encoder, tokenizer"):
        MusicLDM(str(weights / "audioldm")).load()
    copied = shutil.copytree(folder, tmp_path / "copied")
    shutil.copy(weights / "clip" / "open_clip_model.safetensors", copied / "text_encoder" / "model.safetensors")
    with pytest.raises(UsageError, match=r"text_encoder/model\.safetensors: no weights of ClapTextModelWithProjection"):
        MusicLDM(str(copied)).load()
