"""Raters' answers and the key: what a browser, a mail program or a rater made of them."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given

from tests.fuzz.strategies import accepted, json_files
from tests.listening.simulated import SimulatedRater
from v2a_lightning.listening.answers import Responses, read_answers
from v2a_lightning.listening.key import Key, Sound, read_key

SOUNDS = {
    f"{system}{clip}": Sound(f"clip_{clip}", "system", system, f"{system}/{clip}.wav", -3.5)
    for system in ("quartz", "basalt")
    for clip in (0, 1)
} | {"h": Sound("clip_0", "high", "", "own/0.wav"), "l": Sound("clip_0", "low", "", "own/1.wav")}
KEY = Key(
    "Sounds", 3, ("quartz", "basalt"), ("fidelity", "relevance"), {"clip_0": "x", "clip_1": "y"}, SOUNDS,
    ((("quartz0", "basalt0"),), (("basalt1", "quartz1"),)), {"loudness_lufs": -23.0},
)  # fmt: skip
ANSWERS = SimulatedRater(1).answers(KEY)


def written() -> dict:  # type: ignore[type-arg]
    with TemporaryDirectory() as folder:
        KEY.write(Path(folder, "key.json"))
        return json.loads(Path(folder, "key.json").read_text())


@given(json_files(written()))
def test_key(tmp_path: Path, content: bytes) -> None:
    key = accepted(read_key, tmp_path / "test.key.json", content)
    # The key carries a digest of itself: it is what was written, or it is refused.
    assert key is None or key == KEY


@given(json_files(ANSWERS))
def test_answers(tmp_path: Path, content: bytes) -> None:
    found = accepted(lambda path: read_answers([path], KEY), tmp_path / "rater.json", content)
    if found is not None:
        check_answers(found)


def check_answers(found: Responses) -> None:
    for ratings in found.ratings.values():
        assert ratings.shape == (1, len(found.names), 2)
        assert set(ratings[~np.isnan(ratings)]) <= {1, 2, 3, 4, 5}
    for choice in found.choices:
        assert {choice.chosen, choice.other} <= set(KEY.systems)
    assert all(isinstance(rater, str) for rater in found.raters)
