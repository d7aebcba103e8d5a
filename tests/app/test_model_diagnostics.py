"""The lines of a checkup that need no whole config."""

import json
import shutil
from pathlib import Path

import pytest

from v2a_lightning.app.model_diagnostics import check_file, check_model, weight_bytes
from v2a_lightning.encoders import ClipEncoder
from v2a_lightning.files import sha256_file
from v2a_lightning.generators import AudioLDM


def test_files_are_held_to_the_card_that_comes_with_them(weights: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(weights / "clap", tmp_path / "clap")
    card = {"sha256": {"model.safetensors": sha256_file(folder / "model.safetensors")}}
    (folder / "card.json").write_text(json.dumps(card))
    found = check_file("clap", str(folder))
    assert (found.level, "sha256 as on its card" in found.text) == ("ok", True)
    with open(folder / "model.safetensors", "ab") as file:
        file.write(b"!")
    found = check_file("clap", str(folder))
    assert found.level == "error"
    assert "is not the file its card describes" in found.text


def test_the_weights_of_a_published_folder_are_held_to_their_digests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("V2A_MIRROR", str(tmp_path))
    unet = tmp_path / "cvssp" / "audioldm-s-full-v2" / "unet"
    unet.mkdir(parents=True)
    (unet / "diffusion_pytorch_model.bin").write_bytes(b"other weights")
    found = check_file("audioldm", "cvssp/audioldm-s-full-v2")
    assert (found.level, "is not the published file: 13 bytes" in found.text) == ("error", True)
    (unet / "diffusion_pytorch_model.safetensors").write_bytes(b"weights that are read in place of the pickle")
    found = check_file("audioldm", "cvssp/audioldm-s-full-v2")
    assert (found.level, "no published sha256" in found.text) == ("ok", True)
    assert "CC-BY-NC-SA-4.0" in found.text


def test_a_missing_checkpoints_licence_is_told_before_it_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("V2A_CACHE", str(tmp_path))
    found = check_file("audioldm", "audioldm-s-full-v2")
    assert "licence CC-BY-NC-4.0 (not for commercial use)" in found.text
    assert "about 2560 MB" in found.remedy
    assert "put the Hub's folder laion/clap-htsat-unfused into" in check_file("clap", "laion/clap-htsat-unfused").remedy
    assert "put weights.pt into" in check_file("clap", "http://127.0.0.1:9/weights.pt#sha256=00").remedy


def test_what_has_no_known_digest_says_so_and_what_has_no_name_is_an_error(weights: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(weights / "clap", tmp_path / "clap")
    (folder / "card.json").unlink()
    assert "no published sha256" in check_file("clap", str(folder)).text
    found = check_file("clap", "/nowhere/clap.pt")
    assert (found.level, found.remedy) == ("error", "correct the name, or fetch the file")


def test_a_models_weights_are_counted_at_its_precision(weights: Path) -> None:
    full, half = (ClipEncoder(str(weights / "clip"), dtype=dtype) for dtype in ("float32", "bfloat16"))
    assert weight_bytes(full) == pytest.approx(2 * weight_bytes(half), rel=0.01)


def test_a_checkpoint_of_another_kind_cannot_be_used(weights: Path) -> None:
    for model in (ClipEncoder(str(weights / "clap")), AudioLDM(str(weights / "clip"))):
        levels = [finding.level for finding in check_model(model)]
        assert levels == ["ok", "error"]
