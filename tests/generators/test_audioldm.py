"""AudioLDM: equal to diffusers' pipeline, alike in any batch, and honest about head counts."""

import json
import math
import shutil
import warnings
from pathlib import Path

import pytest
import torch
from diffusers import AudioLDMPipeline
from transformers import ClapTextConfig, ClapTextModelWithProjection

from tests.random_weights import SAMPLE_CAPTIONS
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.generators import AudioLDM, latent_diffusion
from v2a_lightning.miniature.models import CONTEXT_LENGTH, train_tokenizer
from v2a_lightning.randomness import generators


@pytest.fixture(scope="module")
def audioldm(weights: Path) -> AudioLDM:
    return AudioLDM(str(weights / "audioldm"), steps=3, batch_size=4)


@pytest.fixture(scope="module")
def embeddings() -> torch.Tensor:
    return torch.randn(3, 512, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def with_text(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same folder as it is published: with a text tower and a tokenizer instead of a stored vector."""
    folder = tmp_path_factory.mktemp("published") / "audioldm"
    shutil.copytree(weights / "audioldm", folder)
    (folder / "unconditional.safetensors").unlink()
    vae = folder / "vae" / "config.json"
    vae.write_text(json.dumps(json.loads(vae.read_text()) | {"scaling_factor": 0.387}))  # 1 would hide the division
    tokenizer = train_tokenizer(SAMPLE_CAPTIONS)
    config = ClapTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=64,
        max_position_embeddings=514,
    )
    ClapTextModelWithProjection(config).save_pretrained(folder / "text_encoder")
    tokenizer.model_max_length = 512
    tokenizer.save_pretrained(folder / "tokenizer")
    return folder


def test_the_wave_is_the_pipelines_from_the_same_weights_and_noise(with_text: Path, embeddings: torch.Tensor) -> None:
    ours = AudioLDM(str(with_text), steps=4, guidance=2.5)
    condition = torch.nn.functional.normalize(embeddings, dim=-1)
    parts = {"tokenizer": train_tokenizer(SAMPLE_CAPTIONS)}
    parts["tokenizer"].model_max_length = 512
    pipeline = AudioLDMPipeline.from_pretrained(
        with_text,
        text_encoder=ClapTextModelWithProjection.from_pretrained(with_text / "text_encoder"),
        local_files_only=True,
        low_cpu_mem_usage=False,
        **parts,
    )
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        prompt_embeds=condition,
        num_inference_steps=4,
        guidance_scale=2.5,
        audio_length_in_s=2.56,
        generator=generators([1, 2, 3]),
        output_type="pt",
    ).audios
    waveform = ours.generate(embeddings, seconds=2.56, seeds=[1, 2, 3])
    assert theirs.std() > 0.01
    torch.testing.assert_close(waveform, theirs, atol=1e-5, rtol=0)


def test_the_same_clip_and_seed_give_the_same_wave_in_any_batch(audioldm: AudioLDM, embeddings: torch.Tensor) -> None:
    together = audioldm.generate(embeddings, seconds=1.0, seeds=[7, 8, 9])
    assert together.shape == (3, 16_000)
    assert together.dtype == torch.float32
    alone = audioldm.generate(embeddings[2:], seconds=1.0, seeds=[9])
    torch.testing.assert_close(alone[0], together[2], atol=1e-4, rtol=0)
    other = audioldm.generate(embeddings[2:], seconds=1.0, seeds=[10])
    assert (other - alone).abs().max() > 1e-3


def test_every_clip_begins_from_noise_of_its_own_seed(audioldm: AudioLDM, embeddings: torch.Tensor) -> None:
    same = embeddings[:1].expand(3, -1)
    first, second, again = audioldm.generate(same, seconds=0.32, seeds=[7, 8, 7], steps=1)
    assert torch.allclose(first, again, atol=1e-5)
    assert (first - second).abs().max() > 100 * (first - again).abs().max()
    assert (first - second).abs().max() > 1e-3


def test_one_clip_at_a_time_is_the_same_to_the_last_bit(weights: Path, embeddings: torch.Tensor) -> None:
    single = AudioLDM(str(weights / "audioldm"), steps=2, batch_size=1)
    together = single.generate(embeddings, seconds=0.5, seeds=[7, 8, 9])
    assert torch.equal(single.generate(embeddings[1:2], seconds=0.5, seeds=[8])[0], together[1])


@pytest.mark.parametrize("options", [{"sampler": "ddpm"}, {"sampler": "dpm++"}, {"eta": 1.0}])
def test_every_sampler_draws_a_rows_noise_from_its_own_seed(weights: Path, options: dict, embeddings) -> None:
    audioldm = AudioLDM(str(weights / "audioldm"), steps=2, **options)
    together = audioldm.generate(embeddings, seconds=0.32, seeds=[7, 8, 9])
    alone = audioldm.generate(embeddings[1:2], seconds=0.32, seeds=[8])
    torch.testing.assert_close(alone[0], together[1], atol=1e-4, rtol=0)
    plain = AudioLDM(str(weights / "audioldm"), steps=2).generate(embeddings, seconds=0.32, seeds=[7, 8, 9])
    assert (plain - together).abs().max() > 1e-4


@pytest.mark.parametrize("options", [{}, {"eta": 1.0}, {"sampler": "ddpm"}, {"sampler": "dpm++"}])
def test_no_step_waits_for_a_number_from_the_device(weights: Path, options: dict, embeddings) -> None:
    # A tensor without memory has no number to wait for: reading one raises.
    audioldm = AudioLDM(str(weights / "audioldm"), **options).load().to("meta")
    latents = audioldm._denoise(embeddings, 0.32, generators([7, 8, 9]), steps=3, guidance=2.5, on_step=None)
    assert latents.is_meta
    assert latents.shape == audioldm._latent_shape(3, 0.32)


def test_a_few_clips_are_decoded_at_once(audioldm: AudioLDM, monkeypatch: pytest.MonkeyPatch) -> None:
    latents = torch.randn(audioldm._latent_shape(3, 0.64), generator=torch.Generator().manual_seed(0))
    together = audioldm.decode(latents)
    monkeypatch.setattr(latent_diffusion, "DECODED_SECONDS", 1.3)
    torch.testing.assert_close(audioldm.decode(latents), together, atol=1e-5, rtol=0)


def test_embeddings_are_normalised_and_guidance_and_condition_are_heard(audioldm, embeddings) -> None:
    one = embeddings[:1]
    plain = audioldm.generate(one, seconds=0.32, seeds=[1])
    torch.testing.assert_close(audioldm.generate(5 * one, seconds=0.32, seeds=[1]), plain, atol=1e-5, rtol=0)
    unguided = audioldm.generate(one, seconds=0.32, seeds=[1], guidance=1.0)
    assert (unguided - plain).abs().max() > 1e-5
    assert (audioldm.generate(-one, seconds=0.32, seeds=[1]) - plain).abs().max() > 1e-5


@pytest.mark.parametrize("seconds", [0.1, 0.333, 1.007])
def test_waves_have_the_length_asked_for(audioldm: AudioLDM, embeddings: torch.Tensor, seconds: float) -> None:
    waveform = audioldm.generate(embeddings[:1], seconds=seconds, seeds=[1], steps=1)
    assert waveform.shape == (1, round(seconds * audioldm.sample_rate))
    assert audioldm.generate(embeddings[:0], seconds=seconds, seeds=[]).shape[0] == 0


def test_waves_are_encoded_to_scaled_latents(audioldm: AudioLDM) -> None:
    waveforms = torch.randn(2, 40_000) * 0.1
    latents = audioldm.encode(waveforms)
    assert latents.shape == (2, 8, math.ceil(250 / 8), 8)
    audioldm._part("vae").register_to_config(scaling_factor=2.0)
    torch.testing.assert_close(audioldm.encode(waveforms), 2 * latents)
    assert audioldm.decode(latents).shape[1] >= 32 * 8 * 160
    audioldm._part("vae").register_to_config(scaling_factor=1.0)


def test_half_precision_is_the_unets_alone(weights: Path, embeddings: torch.Tensor) -> None:
    half = AudioLDM(str(weights / "audioldm"), steps=2, dtype="bfloat16")
    full = AudioLDM(str(weights / "audioldm"), steps=2)
    waveform = half.generate(embeddings, seconds=0.32, seeds=[1, 2, 3])
    assert waveform.dtype == torch.float32
    assert half._part("vae").dtype == torch.float32
    assert (waveform - full.generate(embeddings, seconds=0.32, seeds=[1, 2, 3])).abs().max() < 0.2


def test_a_published_folder_warns_of_its_heads_and_takes_others(weights: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(weights / "audioldm", tmp_path / "audioldm")
    config = folder / "unet" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"attention_head_dim": 8}))
    with pytest.warns(UserWarning, match=r"head_counts=\[1, 2, 3\]"):
        AudioLDM(str(folder)).load()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chosen = AudioLDM(str(folder), head_counts=[1, 2, 3]).load()
    assert chosen._part("unet").down_blocks[2].attentions[0].transformer_blocks[0].attn1.heads == 3
    assert chosen.fingerprint != AudioLDM(str(folder)).fingerprint
    with pytest.raises(UsageError, match="do not divide"):
        AudioLDM(str(folder), head_counts=[1, 2, 7]).load()


def test_wrong_use_is_named(audioldm: AudioLDM, weights: Path, embeddings: torch.Tensor, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 seeds for 3 conditions"):
        audioldm.generate(embeddings, seconds=1, seeds=[1, 2])
    with pytest.raises(RunFailure, match=r"not finite: .*precision"):
        audioldm.generate(embeddings * math.nan, seconds=1, seeds=[1, 2, 3])
    with pytest.raises(ValueError, match=r"shape \(B, 1, 512\) or \(B, 512\)"):
        audioldm.generate(embeddings[0], seconds=1, seeds=[1])
    with pytest.raises(UsageError, match="sampler 'euler'"):
        AudioLDM(sampler="euler")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no AudioLDM folder"):
        AudioLDM(str(weights / "clap")).load()
    bare = shutil.copytree(weights / "audioldm", tmp_path / "bare")
    (bare / "unconditional.safetensors").unlink()
    with pytest.raises(UsageError, match="has neither unconditional"):
        AudioLDM(str(bare)).load()


def test_the_context_of_the_miniature_fits_its_text_tower() -> None:
    assert train_tokenizer(SAMPLE_CAPTIONS).model_max_length == CONTEXT_LENGTH
