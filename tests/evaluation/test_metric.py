"""Metrics as torchmetrics users and authors of new ones meet them."""

import doctest
import importlib
import pkgutil
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor
from torchmetrics import MetricCollection

import v2a_lightning.evaluation as room
from tests.evaluation.conftest import RATE, add_clips, sound
from v2a_lightning.errors import UsageError
from v2a_lightning.evaluation import (
    CATALOGUE,
    AudioMetric,
    ClapTextScore,
    ClipMetric,
    EvaluationSuite,
    FrechetDistance,
    KernelDistance,
    KullbackLeibler,
)
from v2a_lightning.evaluation.catalogue import CLASSES, DEFAULT, choose
from v2a_lightning.evaluation.compare import best_system, score_table
from v2a_lightning.evaluation.score_files import ScoreFile, read_score_file

HOMES = [f"{room.__name__}.{one.name}" for one in pkgutil.iter_modules(room.__path__)]


class Loudness(ClipMetric):
    """Mean level of the generated sounds in dB below full scale."""

    name, title, better = "loudness", "Loudness", "higher"
    formula = "20 log10 of the root mean square, mean over clips"
    needs: ClassVar = {"generated": "waveform"}

    def score(self, generated: Tensor) -> Tensor:  # type: ignore[override]
        return 20 * torch.log10(generated.square().mean().sqrt() + 1e-8)


LOUDNESS = f"{__name__}.Loudness"


@pytest.mark.parametrize("home", HOMES)
def test_the_examples_in_the_docstrings_are_true(home: str) -> None:
    found = doctest.testmod(importlib.import_module(home), extraglobs={"torch": torch})
    assert found.failed == 0


def test_every_class_has_an_example_of_its_own() -> None:
    for metric in set(CLASSES.values()):
        assert f"metric = {metric.__name__}()" in (metric.__doc__ or ""), metric


SHAPES = {"imagebind/score": (), "desync/seconds": (), "clip/frames": (3, 8), "vggish/examples": (3, 8)}


@pytest.mark.parametrize("metric", dict.fromkeys(CLASSES.values()), ids=lambda metric: metric.__name__)
def test_every_metric_goes_into_a_collection_and_is_drawn(metric: type[AudioMetric]) -> None:
    metrics = MetricCollection([metric()])
    random = torch.Generator().manual_seed(0)
    shapes = {side: SHAPES.get(name, (8,)) for side, name in metric.needs.items()}
    metrics.update(**{side: list(torch.rand(16, *shape, generator=random)) for side, shape in shapes.items()})
    values = metrics.compute()
    assert all(value.isfinite() for value in values.values())
    _, axes = metrics.plot(together=True)
    assert len(axes.get_lines()) == len(values)


def test_metrics_go_into_a_collection_and_are_drawn() -> None:
    features = torch.randn(12, 4, generator=torch.Generator().manual_seed(0))
    metrics = MetricCollection([FrechetDistance(), KernelDistance(), KullbackLeibler()])
    for part in features.split(5):
        metrics.update(generated=part + 1, reference=part)
    values = metrics.compute()
    assert float(values["FrechetDistance"]) == pytest.approx(4.0)
    assert float(values["KullbackLeibler"]) == pytest.approx(0.0, abs=1e-6), "a softmax does not see a shift"
    figure, axes = metrics["FrechetDistance"].plot()
    assert axes.get_ylim()[0] <= 4.0 <= axes.get_ylim()[1]
    assert figure is not None
    assert KernelDistance.higher_is_better is False
    assert ClapTextScore.higher_is_better is True
    first = FrechetDistance()
    assert float(first(features + 2, features)) == pytest.approx(16.0), "forward gives the batch's own value"


def test_where_the_order_counts_it_is_that_of_the_places() -> None:
    features = torch.randn(12, 4, generator=torch.Generator().manual_seed(0))
    whole, turned = KernelDistance(), KernelDistance()
    whole.update(features.flip(0), features)
    turned.update(generated=features.flip(0)[6:], places=range(6, 12))
    turned.update(generated=features.flip(0)[:6], places=range(6))
    turned.update(reference=features)
    assert float(turned.compute()) == float(whole.compute())


def test_metrics_are_chosen_by_name_and_by_class_path() -> None:
    classes, names = choose([LOUDNESS, "kl", "recall"])
    assert names == ["kl", "recall", "loudness"]
    assert [one.__name__ for one in classes] == ["KullbackLeibler", "PrecisionRecallDensityCoverage", "Loudness"]
    assert choose([DEFAULT])[1] == list(CATALOGUE)[:16]
    for wrong, told in {
        "psnr": "there is no metric 'psnr'; there are default, fd, fad",
        "no.such.Metric": "no.such.Metric cannot be imported",
        "torch.nn.Linear": "torch.nn.Linear is no ClipMetric or SetMetric",
        "v2a_lightning.evaluation.ClipMetric": "does not say its name",
    }.items():
        with pytest.raises(UsageError, match=told):
            choose([wrong])


def test_a_metric_of_ones_own_goes_all_the_way(extractors: dict[str, str], tmp_path: Path) -> None:
    suite = EvaluationSuite([LOUDNESS, "kl"], tagger=extractors["tagger"])
    assert set(suite.extractors) == {"tagger", "waveform"}, "nothing is extracted that no metric takes"
    add_clips(suite, ["a", "b"], [0.5 * sound(0), sound(1)], RATE, [sound(0), sound(1)])
    level = [20 * torch.tensor(one).square().mean().sqrt().log10() for one in (0.5 * sound(0), sound(1))]
    values = suite.compute()
    assert list(values) == ["kl", "loudness"]
    assert values["loudness"] == pytest.approx(float(sum(level) / 2), abs=0.1)
    file = ScoreFile("ours", suite.scores(10), suite.cards(), 10, 0)
    file.write(tmp_path / "scores.json")
    again = read_score_file(tmp_path / "scores.json")
    assert again.cards["loudness"].formula == Loudness.formula
    assert (again.cards["loudness"].extractor, again.cards["loudness"].sample_rate) == ("waveform", 16_000)
    score = again.scores.found["loudness"]
    louder = replace(again, scores=replace(again.scores, found={"loudness": replace(score, value=score.value + 1)}))
    assert best_system("loudness", [again, louder]) == 1
    assert best_system("loudness", [again, again]) is None, "equal numbers have no best"
    assert "Loudness ↑" in list(score_table(again).columns[0].cells)


def test_a_metric_that_cannot_be_computed_says_why(extractors: dict[str, str]) -> None:
    suite = EvaluationSuite(["fd", "cs", "clap_text", "is"], clip=extractors["clip"], tagger=extractors["tagger"])
    add_clips(suite, ["a"], [sound(0)], RATE, text="a dog")
    assert suite.compute() == {}
    assert suite.scores().missing == {
        "fd": "needs at least 2 pairs; there are 0",
        "is": "needs at least 2 sounds; there is 1",
        "cs": "no clip came with frames",
        "clap_text": "no CLAP was named",
    }
