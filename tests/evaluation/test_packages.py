import importlib.machinery
import importlib.util
from pathlib import Path

import pytest
import torch

from tests.checkpoints.malice import Command
from tests.evaluation.conftest import RATE, add_clips, sound
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.evaluation import EvaluationSuite
from v2a_lightning.evaluation.extractors.packages import (
    ImageBindFeatures,
    PackageExtractor,
    PasstFeatures,
    fetched,
    module_sha256,
)
from v2a_lightning.evaluation.extractors.synchformer import (
    FRAME_SEGMENT,
    FRAME_STEP,
    SEGMENTS,
    SHORTEST_SECONDS,
    SynchformerFeatures,
    segments,
)
from v2a_lightning.evaluation.features import Crop

EXTRACTORS: tuple[type[PackageExtractor], ...] = (PasstFeatures, ImageBindFeatures, SynchformerFeatures)


@pytest.mark.parametrize("extractor", EXTRACTORS)
def test_a_package_that_is_not_installed_says_how_to_get_it(extractor: type[PackageExtractor]) -> None:
    if importlib.util.find_spec(extractor.modules[0]) is None:
        with pytest.raises(UsageError, match=f"{extractor.title} needs the package {extractor.modules[0]}") as caught:
            extractor("cpu", Crop())
        assert extractor.install in str(caught.value)


def test_a_metric_of_videos_says_that_none_came(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.machinery.ModuleSpec("installed", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    suite = EvaluationSuite(["imagebind", "desync"])
    add_clips(suite, ["a"], [sound(0)], RATE)
    assert suite.compute() == {}
    assert suite.scores().missing == dict.fromkeys(["imagebind", "desync"], "no clip came with its video")


def test_package_metrics_are_scored_by_what_their_networks_give(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec = importlib.machinery.ModuleSpec("installed", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    monkeypatch.setattr(ImageBindFeatures, "extract", lambda self, waveform, rate, video: {"score": torch.tensor(7.0)})
    monkeypatch.setattr(SynchformerFeatures, "extract", lambda *given: {"seconds": torch.tensor(len(given[1]) / 1e5)})
    suite = EvaluationSuite(["imagebind", "desync"])
    add_clips(suite, ["a", "b"], [sound(0), sound(1, 1.0)], RATE, videos=[tmp_path / "a.mp4", tmp_path / "b.mp4"])
    seconds = (len(sound(0)) + RATE) / 2e5
    assert suite.compute() == pytest.approx({"imagebind": 7.0, "desync": seconds})


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
