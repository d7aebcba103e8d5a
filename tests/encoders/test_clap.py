"""CLAP: AudioLDM's recipe for waveforms, and the same embeddings from transformers' and from LAION's files."""

import datetime
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import ClapAudioConfig, ClapConfig, ClapModel, ClapTextConfig

from tests.encoders.laion_names import laion_state
from v2a_lightning.checkpoints.weights import read_weights
from v2a_lightning.encoders import ClapEncoder
from v2a_lightning.encoders.clap import Listening
from v2a_lightning.encoders.clap_weights import clap_of_state
from v2a_lightning.errors import RunFailure, UsageError


@pytest.fixture(scope="module")
def encoder(weights: Path) -> ClapEncoder:
    return ClapEncoder(str(weights / "clap"))


def waveforms(count: int, samples: int = 40_960) -> np.ndarray:
    return np.random.default_rng(count).normal(0, 0.1, (count, samples)).astype(np.float32)


def test_waves_become_unit_vectors_that_do_not_depend_on_their_batch(encoder: ClapEncoder) -> None:
    sounds = waveforms(3)
    together = encoder.encode_audio(sounds, 16_000)
    assert together.shape == (3, encoder.embedding_dim) == (3, 512)
    torch.testing.assert_close(together.norm(dim=-1), torch.ones(3))
    torch.testing.assert_close(encoder.encode_audio(sounds[1:2], 16_000)[0], together[1], atol=1e-6, rtol=0)
    assert torch.equal(encoder.encode_audio(sounds, 16_000), together)


def test_the_recipe_ignores_loudness_offset_and_what_lies_above_8_khz(encoder: ClapEncoder) -> None:
    time = np.arange(48_000 * 2) / 48_000
    low = (0.2 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    high = (0.1 * np.sin(2 * np.pi * 12_000 * time)).astype(np.float32)
    plain, louder, hissing = encoder.encode_audio(np.stack([low, 3 * low + 0.05, low + high]), 48_000)
    torch.testing.assert_close(plain, louder, atol=1e-3, rtol=0)
    torch.testing.assert_close(plain, hissing, atol=1e-3, rtol=0)


def test_a_waves_mean_is_taken_off_before_it_is_scaled(encoder: ClapEncoder) -> None:
    waveform = waveforms(1)[0] - waveforms(1)[0].mean()
    plain, offset = encoder.prepare(waveform, 16_000), encoder.prepare(waveform + 0.2, 16_000)
    assert np.abs(plain - offset).max() < 1e-5
    assert abs(float(offset.mean())) < 1e-3


def test_the_window_follows_the_models_config(encoder: ClapEncoder) -> None:
    listening = encoder.load()._part("listening")
    assert listening.samples == 122_400
    assert listening.window_seconds == pytest.approx(2.56)
    assert Listening().window_seconds * 16_000 == 163_840
    prepared = encoder.prepare(waveforms(1, 12_345)[0], 44_100)
    assert prepared.shape == (122_400,)
    assert np.abs(prepared).max() == pytest.approx(0.5, rel=0.1)
    assert np.array_equal(encoder.prepare(np.zeros(1000, np.float32), 16_000), np.zeros(122_400, np.float32))


def test_a_tokenizer_without_its_files_is_refused(weights: Path, tmp_path: Path, encoder: ClapEncoder) -> None:
    assert encoder.encode_text(["a dog barks", "rain"]).shape == (2, 512)
    copied = shutil.copytree(weights / "clap", tmp_path / "clap")
    for name in ("vocab.json", "merges.txt", "tokenizer.json"):
        (copied / name).unlink()
    broken = ClapEncoder(str(copied))
    assert broken.encode_audio(waveforms(1), 16_000).shape == (1, 512)
    with pytest.raises(UsageError, match="tokenizer"):
        broken.encode_text(["a dog barks"])


def test_a_fused_clap_and_a_folder_of_something_else_are_refused(weights: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(weights / "clap", tmp_path / "clap")
    config = json.loads((copied / "config.json").read_text())
    config["audio_config"]["enable_fusion"] = True
    (copied / "config.json").write_text(json.dumps(config))
    with pytest.raises(UsageError, match="fused"):
        ClapEncoder(str(copied)).load()
    with pytest.raises(UsageError, match="no CLAP folder"):
        ClapEncoder(str(weights / "clip")).load()


def small_laion(width: int = 32) -> ClapModel:
    """LAION's layout at spectrogram size 256, with little in it."""
    audio = ClapAudioConfig(depths=[1, 1], num_attention_heads=[2, 4], patch_embeds_hidden_size=8, hidden_size=16)
    text = ClapTextConfig(
        vocab_size=300,
        hidden_size=64,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=64,
        max_position_embeddings=79,
        layer_norm_eps=1e-5,
    )
    torch.manual_seed(0)
    return ClapModel(ClapConfig(text_config=text.to_dict(), audio_config=audio.to_dict(), projection_dim=width)).eval()


@pytest.mark.parametrize("prefix", ["module.", "cond_stage_model.model."])
def test_laions_pt_and_the_clap_inside_an_audioldm_ckpt_give_the_same_model(tmp_path: Path, prefix: str) -> None:
    model = small_laion()
    file = tmp_path / "checkpoint.pt"
    # Training code leaves other objects in its checkpoints; none of them is built.
    extra = {"epoch": np.float64(3), "when": datetime.date(2023, 1, 1), "callbacks": {Path: 1}}
    torch.save({"state_dict": laion_state(model, prefix), **extra}, file)
    read = clap_of_state(read_weights(file), file).eval()
    features = torch.randn(2, 1, 1001, 64)
    tokens = torch.randint(5, 300, (2, 9))
    with torch.no_grad():
        heard = [one.audio_projection(one.audio_model(features).pooler_output) for one in (read, model)]
        told = [one.text_projection(one.text_model(tokens).pooler_output) for one in (read, model)]
    torch.testing.assert_close(heard[0], heard[1])
    torch.testing.assert_close(told[0], told[1])


def test_a_checkpoint_that_does_not_fit_is_named(tmp_path: Path) -> None:
    state = laion_state(small_laion())
    file = tmp_path / "fused.pt"
    torch.save({**state, "module.audio_branch.patch_embed.mel_conv2d.weight": torch.zeros(1)}, file)
    with pytest.raises(UsageError, match="fused"):
        clap_of_state(read_weights(file), file)
    torch.save({name: state[name] for name in state if "layernorm_before" not in name and "norm1" not in name}, file)
    with pytest.raises(UsageError, match=r"tensor '.*layernorm_before.weight' is missing \(and 3 more\)"):
        clap_of_state(read_weights(file), file)
    torch.save({"weight": torch.zeros(1)}, file)
    with pytest.raises(UsageError, match="holds no CLAP"):
        clap_of_state(read_weights(file), file)
    file.write_bytes(b"no checkpoint")
    with pytest.raises(RunFailure, match="cannot be read"):
        read_weights(file)
