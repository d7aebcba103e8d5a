"""scores.json and generation.json: whoever wrote them, they are read right or refused in a line."""

import json
from pathlib import Path

import torch
from hypothesis import given

from tests.fuzz.strategies import accepted, json_files
from v2a_lightning.errors import UsageError
from v2a_lightning.evaluation.cards import MetricCard
from v2a_lightning.evaluation.compare import check_comparable, comparison_table, paired_difference, score_table
from v2a_lightning.evaluation.score_files import Score, ScoreFile, Scores, read_score_file
from v2a_lightning.generation import GenerationRecord, read_generation

IDS = ["a_000001", "b_000002", "c_000003"]
PER_CLIP = torch.tensor([0.5, 1.25, 3.0], dtype=torch.float64)
REPLICATES = torch.tensor([1.5, 1.75], dtype=torch.float64)


def card(metric: str) -> MetricCard:
    made = {"seed": 3, "sampler": "ddim"}
    return MetricCard(metric, "f", "e", "w", "p", "", 16000, "mean", "soxr", "whole", 3, 3, "c", generation=made)


FILE = ScoreFile(
    "one",
    Scores({"kl": Score(1.5, IDS, REPLICATES, PER_CLIP), "fd": Score(20.5, IDS)}, {"cs": "no clip came with frames"}),
    {"kl": card("kl"), "fd": card("fd")},
    resamples=2,
    seed=0,
    notes=["a note"],
    sources={"generated": "made"},
)


def valid(folder: Path) -> dict:  # type: ignore[type-arg]
    FILE.write(folder / "scores.json")
    return json.loads((folder / "scores.json").read_text())


def content_of_scores() -> dict:  # type: ignore[type-arg]
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        return valid(Path(folder))


SCORES = content_of_scores()


def check_scores(file: ScoreFile) -> None:
    """What is accepted can be shown, written and compared, and holds numbers."""
    for score in file.scores.found.values():
        assert torch.tensor(score.value, dtype=torch.float64).isfinite()
        assert score.replicates.isfinite().all()
        assert len(score.replicates) in (0, file.resamples)
        if score.per_clip is not None:
            assert len(score.per_clip) == len(score.clip_ids)
            assert score.per_clip.isfinite().all()
    score_table(file)
    try:
        check_comparable([FILE, file])
    except UsageError:
        return
    comparison_table([FILE, file])
    for name in FILE.scores.found.keys() & file.scores.found.keys():
        paired_difference(FILE.scores.found[name], file.scores.found[name])


@given(json_files(SCORES))
def test_scores(tmp_path: Path, content: bytes) -> None:
    file = accepted(read_score_file, tmp_path / "scores.json", content)
    if file is not None:
        check_scores(file)
        file.write(tmp_path / "again.json")
        assert read_score_file(tmp_path / "again.json").scores.missing == file.scores.missing


SETTINGS = {"seed": 0, "steps": 20, "frames": [1, 2], "eta": 1.0, "sounds": {"a_000001": {"seed": 1}}}


@given(json_files(SETTINGS))
def test_generation(tmp_path: Path, content: bytes) -> None:
    found = accepted(lambda path: read_generation(path.parent), tmp_path / "generation.json", content)
    if found is not None:
        settings, ids = found
        assert ids is None or all(isinstance(one, str) for one in ids)
        record = GenerationRecord(tmp_path, settings)
        record.begin()
        record.add({"b": {}}, {})
        record.finish()
        assert read_generation(tmp_path)[1] == {"b"} | (ids or set())
