"""Raters' answers, checked against the test's key and laid out as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from v2a_lightning.errors import UsageError
from v2a_lightning.json_files import one_line, read_json
from v2a_lightning.listening.key import Key

FORMAT = 1
WHAT = "file of answers"
FORM = {
    "format": int, "test": str, "rater": str, "simulated": bool, "trials": int, "answers": [{"sounds": [str]}]
}  # fmt: skip
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
    choices: list[Choice]
    trials: tuple[int, ...]
    answered: tuple[int, ...]

    @property
    def systems(self) -> list[str]:
        """The names without the anchors."""
        return [name for name in self.names if not name.endswith(" anchor")]

    def of(self, name: str, scale: str) -> Ratings:
        """Ratings (raters, clips) of one system or anchor."""
        return self.ratings[scale][:, self.names.index(name)]

    def only(self, raters: Sequence[int]) -> "Responses":
        """The answers of some raters, by their places."""
        places = {old: new for new, old in enumerate(raters)}
        chosen = {
            name: tuple(getattr(self, name)[rater] for rater in raters)
            for name in ("raters", "simulated", "trials", "answered")
        }
        ratings = {scale: ratings[list(raters)] for scale, ratings in self.ratings.items()}
        choices = [replace(one, rater=places[one.rater]) for one in self.choices if one.rater in places]
        return replace(self, ratings=ratings, choices=choices, **chosen)


def read_answers(paths: Sequence[Path], key: Key) -> Responses:
    """Read the files that raters saved.

    Raises:
        UsageError: naming the file, when it is missing, no such file, of another test, or of a rater met before.
    """
    files = [_read(path, key) for path in paths]
    raters: dict[str, Path] = {}
    for path, content in zip(paths, files, strict=True):
        if (first := raters.setdefault(content["rater"], path)) is not path:
            raise UsageError(
                f"{first} and {path} are both from rater {content['rater']!r}; keep the one that was saved last"
            )
    present = {sound.name for sound in key.sounds.values()}
    names = (*key.systems, *(name for name in ANCHORS if name in present))
    clips = tuple(key.clips)
    shape = (len(files), len(names), len(clips))
    found = Responses(
        tuple(raters),
        tuple(content["simulated"] or content["rater"].startswith("simulated") for content in files),
        names,
        clips,
        {scale: np.full(shape, np.nan) for scale in key.asks},
        [],
        tuple(content["trials"] for content in files),
        tuple(len(content["answers"]) for content in files),
    )
    for rater, (path, content) in enumerate(zip(paths, files, strict=True)):
        for answer in content["answers"]:
            try:
                _place(answer, key, rater, found)
            except ValueError as error:
                raise UsageError(f"{path}: an answer does not fit the test ({one_line(error)})") from error
    return found


def _read(path: Path, key: Key) -> dict[str, Any]:
    content: dict[str, Any] = read_json(path, FORM, WHAT)
    if content["format"] != FORMAT:
        raise UsageError(f"{path}: has format {content['format']}, this version reads {FORMAT}")
    if content["test"] != key.test:
        raise UsageError(f"{path}: answers test {content['test']}, and the key is that of test {key.test}")
    return content


def _place(answer: dict[str, Any], key: Key, rater: int, found: Responses) -> None:
    """Put one answer where it belongs; a sound that a browser could not play has none.

    Raises:
        ValueError: when the answer is none to a question of the test, or a sound was rated before.
    """
    if strange := [code for code in answer["sounds"] if code not in key.sounds]:
        raise ValueError(f"there is no sound {strange[0]!r}")
    sounds = [key.sounds[code] for code in answer["sounds"]]
    if len({sound.clip_id for sound in sounds}) != 1:
        raise ValueError("its sounds are not those of one clip")
    if "failed" in answer:
        return
    clip = found.clips.index(sounds[0].clip_id)
    if answer.get("kind") == "pair":
        if len(sounds) != 2 or answer.get("chosen") not in answer["sounds"]:
            raise ValueError(f"{answer.get('chosen')!r} is none of a pair of sounds")
        first = answer["sounds"].index(answer["chosen"])
        found.choices.append(Choice(rater, clip, sounds[first].name, sounds[1 - first].name))
        return
    if answer.get("kind") != "rating" or len(sounds) != 1:
        raise ValueError("it is neither the rating of a sound nor the choice of one of two")
    for scale in key.asks:
        if type(answer.get(scale)) is not int or answer[scale] not in SCALE:
            raise ValueError(f"{scale} is {answer.get(scale)!r}, not one of 1 to 5")
        place = rater, found.names.index(sounds[0].name), clip
        if not np.isnan(found.ratings[scale][place]):
            raise ValueError(f"{sounds[0].name} of {sounds[0].clip_id} is rated twice")
        found.ratings[scale][place] = answer[scale]
