"""Analyses of a mapper that sees frames by several encoders at once."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F

from v2a_lightning.mapper import AverageFrames, JointAggregator, MLPRegressor, Regression
from v2a_lightning.module import V2AMapper
from v2a_lightning.studies.analyses import embedding_gap, interpolation
from v2a_lightning.studies.analyses.failure_cases import _classes
from v2a_lightning.studies.analyses.subgroups import LOOKS_ALIKE
from v2a_lightning.studies.trained_runs import TrainedRun, mean_frames

DIM, CLIPS = 8, 16
WIDTHS = {"near": DIM, "wide": 12}


def unit(*shape: int, seed: int) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def batch_of(split: str) -> dict[str, Any]:
    frames = {name: unit(CLIPS, 3, width, seed=width + len(split)) for name, width in WIDTHS.items()}
    return {
        "clip_id": [f"{split}{clip}" for clip in range(CLIPS)],
        "label": ["dog", "cat", "bell", "rain"] * (CLIPS // 4),
        "frames": frames,
        "frame_mask": torch.ones(CLIPS, 3, dtype=torch.bool),
        "target": unit(CLIPS, 1, DIM, seed=len(split)),
    }


class Data:
    """The part of a data module that analyses read."""

    def __init__(self, **encoders: Any) -> None:
        self.encoders = SimpleNamespace(by_name=encoders)

    def setup(self, stage: str) -> None:
        """Nothing to set up."""

    def train_dataloader(self) -> list[dict[str, Any]]:
        return [batch_of("fit")]

    def val_dataloader(self) -> list[dict[str, Any]]:
        return [batch_of("validate")]

    def test_dataloader(self) -> list[dict[str, Any]]:
        return [batch_of("test")]


class Words:
    """An encoder with a text tower."""

    def __init__(self, width: int) -> None:
        self.width = width

    def encode_text(self, texts: list[str]) -> torch.Tensor:
        return unit(len(texts), self.width, seed=5)


def trained(**encoders: Any) -> TrainedRun:
    torch.manual_seed(0)
    network = MLPRegressor(hidden=16, condition_dim=sum(WIDTHS.values()), target_dim=DIM)
    aggregator = JointAggregator({name: AverageFrames() for name in WIDTHS})
    mapper = V2AMapper(network, Regression(), aggregator, seed=0).eval()
    return TrainedRun(mapper, Data(**encoders), SimpleNamespace(seed=0))


def test_frames_are_averaged_by_encoder() -> None:
    batch = batch_of("fit")
    means = mean_frames(batch)
    assert {name: tuple(one.shape) for name, one in means.items()} == {"near": (CLIPS, 8), "wide": (CLIPS, 12)}
    assert torch.equal(means["wide"], mean_frames({**batch, "frames": batch["frames"]["wide"]})[""])


def test_the_gap_is_of_each_encoder_as_wide_as_the_target() -> None:
    study_runs: Any = SimpleNamespace(open=lambda run, trained=True: TRAINED)
    sets = embedding_gap._sets(study_runs, SimpleNamespace(folder=Path()))  # type: ignore[arg-type]
    assert list(sets) == [
        "near", embedding_gap.UNTRAINED, embedding_gap.TRAINED, "CLAP", embedding_gap.OTHERS
    ]  # fmt: skip
    assert {one.shape for one in sets.values()} == {(CLIPS, DIM)}
    assert set(embedding_gap._projections(sets)) >= {"PCA", "t-SNE"}
    assert set(embedding_gap._gaps(sets)) == set(sets) - {"CLAP"}


def test_classes_look_alike_by_all_encoders_together() -> None:
    means, alike = _classes(TRAINED)
    assert sorted(means) == ["bell", "cat", "dog", "rain"]
    assert alike[LOOKS_ALIKE] < set(means)


def test_the_way_to_a_text_needs_a_text_tower_of_every_encoder() -> None:
    (pair,) = interpolation.choose_pairs([batch_of("validate")], 1)
    ways = interpolation._embeddings(TRAINED, pair)
    assert list(ways) == [interpolation.BEFORE, interpolation.AFTER]
    assert {tuple(one.shape) for one in ways.values()} == {(interpolation.POINTS, DIM)}
    with_words = trained(**{name: Words(width) for name, width in WIDTHS.items()})
    assert interpolation.WORDS in interpolation._embeddings(with_words, pair)


TRAINED = trained(near=Words(8), wide=object())
