"""The lines of a checkup that need no whole config."""

import json
import shutil
from pathlib import Path

import pytest

from v2a_lightning.files import sha256_file
from v2a_lightning.foundation import AudioLDM, ClipEncoder
from v2a_lightning.foundation.checkup import check_file, check_model, weight_bytes


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
