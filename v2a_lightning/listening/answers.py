"""Raters' answers, checked against the test's key and laid out as arrays."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from v2a_lightning.errors import UsageError
from v2a_lightning.listening.key import Key

FORMAT = 1
SCALE = (1, 2, 3, 4, 5)
ANCHORS = ("high anchor", "low anchor")

Ratings = NDArray[np.float64]


@dataclass(frozen=True)
class Choice:
    """One answer to "which of two?"; `rater` and `clip` are places in the responses' lists."""

    rater: int
    clip: int
    chosen: str
    other: str


@dataclass(frozen=True)
class Responses:
    """The answers of several raters.

    Args:
        raters: their codes.
        simulated: whether each was a program.
        names: systems, then anchors.
        clips: clip ids.
        ratings: scale -> (raters, names, clips), 1 to 5, NaN where nothing was answered.
        choices: of the pairs.
        trials: how many trials each rater had.
        answered: how many of them each rater answered.
    """

    raters: tuple[str, ...]
    simulated: tuple[bool, ...]
    names: tuple[str, ...]
    clips: tuple[str, ...]
    ratings: dict[str, Ratings]
    choices: tuple[Choice, ...]
    trials: tuple[int, ...]
    answered: tuple[int, ...]

    def of(self, name: str, scale: str) -> Ratings:
        """Ratings (raters, clips) of one system or anchor."""
        return self.ratings[scale][:, self.names.index(name)]

    def only(self, raters: Sequence[int]) -> "Responses":
        """The answers of some raters, by their places."""
        places = {old: new for new, old in enumerate(raters)}
        choices = [Choice(places[c.rater], c.clip, c.chosen, c.other) for c in self.choices if c.rater in places]
        return Responses(
            tuple(self.raters[rater] for rater in raters),
            tuple(self.simulated[rater] for rater in raters),
            self.names,
            self.clips,
            {scale: ratings[list(raters)] for scale, ratings in self.ratings.items()},
            tuple(choices),
            tuple(self.trials[rater] for rater in raters),
            tuple(self.answered[rater] for rater in raters),
        )


def read_answers(paths: Sequence[Path], key: Key) -> Responses:
    """Read the files that raters saved.

    Raises:
        UsageError: naming the file, when it is missing, no such file, of another test, or of a rater met before.
    """
    files = [_read(path, key) for path in paths]
    raters = [content["rater"] for content in files]
    for place, rater in enumerate(raters):
        if rater in raters[:place]:
            first = paths[raters.index(rater)]
            raise UsageError(
                f"{first} and {paths[place]} are both from rater {rater!r}; keep the one that was saved last"
            )
    present = {sound.name for sound in key.sounds.values()}
    names = (*key.systems, *(name for name in ANCHORS if name in present))
    clips = tuple(key.clips)
    shape = (len(files), len(names), len(clips))
    ratings = {scale: np.full(shape, np.nan) for scale in key.asks}
    choices: list[Choice] = []
    for rater, (path, content) in enumerate(zip(paths, files, strict=True)):
        for answer in content["answers"]:
            try:
                _place(answer, key, rater, names, clips, ratings, choices)
            except (KeyError, ValueError, TypeError, IndexError) as error:
                raise UsageError(
                    f"{path}: an answer does not fit the test ({type(error).__name__}: {error})"
                ) from error
    return Responses(
        tuple(raters),
        tuple(bool(content["simulated"]) or content["rater"].startswith("simulated") for content in files),
        names,
        clips,
        ratings,
        tuple(choices),
        tuple(int(content["trials"]) for content in files),
        tuple(len(content["answers"]) for content in files),
    )


def _read(path: Path, key: Key) -> dict[str, Any]:
    if not path.is_file():
        raise UsageError(f"{path}: there is no such file")
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise UsageError(f"{path}: has format {content['format']}, this version reads {FORMAT}")
        if content["test"] != key.test:
            raise UsageError(f"{path}: answers test {content['test']}, and the key is that of test {key.test}")
        if missing := [name for name in ("rater", "simulated", "trials", "answers") if name not in content]:
            raise UsageError(f"{path}: lacks {missing[0]!r}; raters' files are read as they were saved")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: is no file of answers ({type(error).__name__}: {error})") from error
    return content


def _place(
    answer: dict[str, Any],
    key: Key,
    rater: int,
    names: tuple[str, ...],
    clips: tuple[str, ...],
    ratings: dict[str, Ratings],
    choices: list[Choice],
) -> None:
    """Put one answer where it belongs; a sound that a browser could not play has none."""
    sounds = [key.sounds[code] for code in answer["sounds"]]
    if "failed" in answer:
        return
    clip = clips.index(sounds[0].clip_id)
    if answer["kind"] == "pair":
        first = answer["sounds"].index(answer["chosen"])
        choices.append(Choice(rater, clip, sounds[first].name, sounds[1 - first].name))
        return
    for scale in key.asks:
        if answer[scale] not in SCALE:
            raise ValueError(f"{scale} is {answer[scale]!r}, not one of 1 to 5")
        ratings[scale][rater, names.index(sounds[0].name), clip] = answer[scale]
