import importlib.machinery
import importlib.util
from pathlib import Path

import pytest
import torch

from tests.checkpoints.malice import Command
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.evaluation.extras import EXTRAS, check_extras, fetched, module_sha256
from v2a_lightning.evaluation.extras.synchformer import FRAME_SEGMENT, FRAME_STEP, SEGMENTS, SHORTEST_SECONDS, segments


def test_an_extra_that_is_not_installed_says_how_to_get_it() -> None:
    for name, extra in EXTRAS.items():
        if importlib.util.find_spec(extra.modules[0]) is None:
            with pytest.raises(UsageError, match=f"--extras {name} needs the package {extra.modules[0]}") as caught:
                check_extras([name], has_reference=True, has_media=True)
            assert extra.install in str(caught.value)


def test_an_extra_needs_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.machinery.ModuleSpec("installed", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    check_extras(["passt", "imagebind", "desync"], has_reference=True, has_media=True)
    with pytest.raises(UsageError, match="--extras imagebind needs --media"):
        check_extras(["imagebind"], has_reference=True, has_media=False)
    with pytest.raises(UsageError, match="--extras passt needs --reference"):
        check_extras(["passt"], has_reference=False, has_media=True)


def test_weights_that_cannot_be_had_are_a_failed_run() -> None:
    def build() -> torch.nn.Module:
        raise OSError("no network")

    with pytest.raises(RunFailure, match="the weights of PaSST cannot be had: no network"):
        fetched("PaSST", build, "cpu")
    assert not fetched("PaSST", lambda: torch.nn.Dropout(), "cpu").training


def test_a_modules_hash_stands_for_its_tensors() -> None:
    torch.manual_seed(0)
    layer = torch.nn.Linear(2, 2)
    before = module_sha256(layer)
    assert module_sha256(layer) == before
    with torch.no_grad():
        layer.bias += 1
    assert module_sha256(layer) != before


def test_segments_as_synchformer_cuts_them() -> None:
    frames = torch.arange(120)  # 4.8 s at 25 a second
    pieces = segments(frames, FRAME_SEGMENT, FRAME_STEP)
    assert pieces.shape == (SEGMENTS, FRAME_SEGMENT)
    assert pieces[1, 0] == FRAME_STEP
    assert pieces[-1, -1] == 119
    assert SHORTEST_SECONDS == 4.8
    assert len(segments(frames[:10], FRAME_SEGMENT, FRAME_STEP)) == 0


def test_a_packages_weights_are_read_without_executing_them(tmp_path: Path) -> None:
    marker, file = tmp_path / "executed", tmp_path / "weights.pt"
    torch.save({"weight": Command(marker)}, file)

    def build() -> torch.nn.Module:
        torch.load(file, weights_only=False)
        return torch.nn.Dropout()

    with pytest.raises(RunFailure, match="the weights of PaSST cannot be had"):
        fetched("PaSST", build, "cpu")
    assert not marker.exists()
    torch.save({"weight": torch.zeros(1)}, file)
    fetched("PaSST", build, "cpu")

    layer = torch.nn.Linear(2, 2)
    torch.nn.init.constant_(layer.bias, float("nan"))
    with pytest.raises(RunFailure, match="PaSST: tensor 'bias' holds values that are not finite"):
        fetched("PaSST", lambda: layer, "cpu")
