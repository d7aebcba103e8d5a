"""Files are read ahead, in order, and what cannot be read costs itself."""

import threading
from pathlib import Path

import pytest

from tests.evaluation.conftest import RATE, sound
from v2a_lightning.evaluation import EvaluationSuite
from v2a_lightning.evaluation.reading import READERS, ClipFiles, ahead
from v2a_lightning.media import write_waveform


def test_later_items_are_read_before_the_first_is_taken() -> None:
    begun = threading.Barrier(READERS + 1)

    def read(item: int) -> int:
        if item < READERS:
            begun.wait(timeout=30)
        return 2 * item

    found = ahead(range(12), read)
    thread = threading.Thread(target=begun.wait)
    thread.start()
    assert [(item, future.result()) for item, future in found] == [(item, 2 * item) for item in range(12)]
    thread.join()


def test_an_error_comes_with_its_own_item() -> None:
    def read(item: int) -> int:
        if item == 2:
            raise ValueError("two")
        return item

    outcomes = [future.exception() for _, future in ahead(range(5), read)]
    assert [str(one) if one else None for one in outcomes] == [None, None, "two", None, None]


@pytest.mark.parametrize("lost", ["generated", "reference"])
def test_clips_that_cannot_be_read_are_named(extractors: dict[str, str], tmp_path: Path, lost: str) -> None:
    clips = []
    for clip in range(4):
        paths = tmp_path / f"{clip}_made.wav", tmp_path / f"{clip}_own.wav"
        for place, path in enumerate(paths):
            write_waveform(path, sound(10 * clip + place), RATE)
        clips.append(ClipFiles(str(clip), *paths))
    getattr(clips[1], lost).write_bytes(b"no sound")
    suite = EvaluationSuite(["fd", "kl"], tagger=extractors["tagger"])
    errors = {clip.clip_id: error for clip, error in suite.add_files(clips)}
    assert [clip_id for clip_id, error in errors.items() if error is None] == ["0", "2", "3"]
    assert f"1_{'made' if lost == 'generated' else 'own'}.wav" in str(errors["1"])
    assert suite.compute().keys() == {"fd", "kl"}
