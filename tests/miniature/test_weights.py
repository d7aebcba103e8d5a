"""The weights that are shipped: small enough, in the large models' formats, and what their cards say they are."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from v2a_lightning.app.cli import main
from v2a_lightning.files import sha256_file
from v2a_lightning.miniature.referee import WEIGHTS
from v2a_lightning.miniature.training.workshop import FOLDERS
from v2a_lightning.pipeline import V2APipeline


def test_all_weights_together_are_at_most_40_megabytes_and_the_mapper_12() -> None:
    mapper = (WEIGHTS / "mapper" / "model.safetensors").stat().st_size
    assert sum(file.stat().st_size for file in WEIGHTS.rglob("*.safetensors")) - mapper <= 40e6
    assert mapper <= 12e6


def test_the_mapper_is_half_precision_on_the_disk_only(tmp_path: Path) -> None:
    stored = load_file(WEIGHTS / "mapper" / "model.safetensors")
    pipeline = V2APipeline.from_pretrained("miniature")
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16}
    assert {tensor.dtype for tensor in pipeline.mapper.state_dict().values()} == {torch.float32}
    assert "trained on Miniature" in (WEIGHTS / "mapper" / "README.md").read_text()
    # The command that writes it, of itself.
    assert main(["miniature", "mapper", "--checkpoint", "miniature", "--output", str(tmp_path)]) == 0
    written = load_file(tmp_path / "model.safetensors")
    assert all(torch.equal(written[name], tensor) for name, tensor in stored.items())


@pytest.mark.parametrize("folder", sorted(FOLDERS))
def test_every_card_names_the_files_beside_it(folder: str) -> None:
    card = json.loads((WEIGHTS / folder / "card.json").read_text())
    assert card["trained"] is True
    weights = (WEIGHTS / folder).rglob("*.safetensors")
    files = {str(file.relative_to(WEIGHTS / folder)): sha256_file(file) for file in weights}
    assert card["sha256"] == files
    assert set(card["recipe"]) == set(FOLDERS[folder])
    assert all(recipe["threads"] in (1, 2) for recipe in card["recipe"].values())
    assert card["parameters"] > 0
    assert card["figures"]["true sound, named by the referee"] >= 0.9


def test_the_large_models_own_loaders_read_them() -> None:
    import open_clip
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import ClapModel, SpeechT5HifiGan

    clip, _, _ = open_clip.create_model_and_transforms(f"local-dir:{WEIGHTS / 'clip'}")
    assert clip.visual.output_dim == 512
    assert ClapModel.from_pretrained(WEIGHTS / "clap", local_files_only=True).config.projection_dim == 512
    unet = UNet2DConditionModel.from_pretrained(WEIGHTS / "audioldm", subfolder="unet", local_files_only=True)
    assert unet.config.projection_class_embeddings_input_dim == 512
    vae = AutoencoderKL.from_pretrained(WEIGHTS / "audioldm", subfolder="vae", local_files_only=True)
    assert 0.05 < vae.config.scaling_factor < 5
    vocoder = SpeechT5HifiGan.from_pretrained(WEIGHTS / "audioldm" / "vocoder", local_files_only=True)
    assert vocoder.config.sampling_rate == 16_000


def test_no_weights_are_pickled() -> None:
    assert not [file for suffix in ("*.bin", "*.pt", "*.pth", "*.ckpt") for file in Path(WEIGHTS).rglob(suffix)]
