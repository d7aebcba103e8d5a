"""The numbers that this project reported before its metrics became the classes that compute them, to the last digit.

`numbers_at_a911362.json` was written by the code of commit a911362 on one thread, from these features.
"""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from v2a_lightning.distances import compare_embeddings
from v2a_lightning.evaluation.catalogue import CLASSES
from v2a_lightning.evaluation.metric import ClipMetric
from v2a_lightning.evaluation.records import ClipRecord, score_records

EXPECTED = json.loads((Path(__file__).parent / "numbers_at_a911362.json").read_text())
PACKAGED = ("imagebind", "desync")


def features(seed: int, shift: float) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(seed)
    return {
        "tagger/logits": 3 * torch.randn(12, generator=random) + shift,
        "tagger/embedding": torch.randn(64, generator=random).relu() + shift,
        "vggish/examples": torch.randn(1 + seed % 3, 16, generator=random) + shift,
        "wav2clip/audio": torch.randn(32, generator=random),
        "clap/embedding": torch.randn(24, generator=random),
        "passt/logits": torch.randn(10, generator=random),
        "passt/embedding": torch.randn(20, generator=random) + shift,
    }


def inputs(clip: int) -> dict[str, dict[str, Tensor]]:
    frames = torch.randn(1 + clip % 4, 32, generator=torch.Generator().manual_seed(200 + clip))
    text = torch.randn(24, generator=torch.Generator().manual_seed(300 + clip))
    return {
        "generated": features(clip, 0.3),
        "reference": features(100 + clip, 0.0),
        "frames": {"clip/frames": frames},
        "text": {"clap/text": text},
    }


METRICS = [one() for one in dict.fromkeys(CLASSES.values()) if one not in (CLASSES[name] for name in PACKAGED)]


def record(clip: int) -> ClipRecord:
    given = inputs(clip)
    values = {
        metric.name: float(metric.score(**{side: given[side][name] for side, name in metric.needs.items()}))
        for metric in METRICS
        if isinstance(metric, ClipMetric)
    }
    return ClipRecord(f"clip{clip:02d}", given, values, frozenset(given))


@pytest.mark.parametrize("clips", [24, 9])
def test_numbers_resamples_and_clips_values_are_those_of_before(clips: int) -> None:
    scores = score_records(METRICS, [record(clip) for clip in range(clips)], resamples=20, seed=3)
    assert set(scores.found) == set(EXPECTED[str(clips)])
    assert scores.missing == EXPECTED[f"{clips} missing"]
    for name, expected in EXPECTED[str(clips)].items():
        found = scores.found[name]
        assert found.value == pytest.approx(expected["value"], rel=1e-12, abs=1e-13), name
        assert found.replicates.tolist() == pytest.approx(expected["replicates"], rel=1e-12, abs=1e-13), name
        per_clip = None if found.per_clip is None else found.per_clip.tolist()
        if name == "clap_text" or expected["per_clip"] is not None:
            assert per_clip == pytest.approx(expected["per_clip"], rel=1e-12, abs=1e-13), name


def test_each_class_computes_the_reported_number_by_itself() -> None:
    given = [inputs(clip) for clip in range(24)]
    for metric in METRICS:
        metric.update(**{side: [one[side][name] for one in given] for side, name in metric.needs.items()})
        value = metric.compute()
        found = value if isinstance(value, dict) else {metric.name: value}
        for name, one in found.items():
            assert float(one) == pytest.approx(EXPECTED["24"][name]["value"], rel=1e-12, abs=1e-13), name
        metric.reset()


def test_numbers_of_embeddings_are_those_of_before() -> None:
    given = [inputs(clip) for clip in range(24)]
    sides = (torch.stack([one[side]["clap/embedding"] for one in given]) for side in ("generated", "reference"))
    assert compare_embeddings(*sides) == pytest.approx(EXPECTED["embedding"], rel=1e-12)
