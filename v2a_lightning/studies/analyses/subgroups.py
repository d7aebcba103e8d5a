"""Subgroups of clips that may be hard: by attributes, drawing style, and how like another the class is."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

ALIKE = 0.25
"""Share of the classes that count as like another one."""

Attributes = Mapping[str, Any]


@dataclass
class ClipScores:
    """One clip's scores.

    Args:
        cosine: of mapped and true embedding.
        guess: the class whose training clips' mean true embedding is nearest to the mapped one.
        kl, cs: None when no sound was generated.
        style: whether it is from the clips drawn in another style.
        looks_alike, sounds_alike: whether its class is among those that look, or sound, most like another one.
        subgroups: what `subgroups_of` says of it.
    """

    clip_id: str
    label: str
    cosine: float
    guess: str
    kl: float | None = None
    cs: float | None = None
    style: bool = False
    looks_alike: bool = False
    sounds_alike: bool = False
    subgroups: list[str] = field(default_factory=list)


# Whether a clip is in a subgroup, by its attributes; these are empty for real clips.
SUBGROUPS: dict[str, Callable[[ClipScores, Attributes], bool]] = {
    "one scene, object mostly in view": lambda clip, about: _scenes(about) == 1 and _view(about) >= 0.5,
    "two scenes in the clip": lambda clip, about: _scenes(about) == 2,
    "object in view less than half of the time": lambda clip, about: bool(about) and _view(about) < 0.5,
    "behind something (not at the side)": lambda clip, about: (
        bool(about) and _view(about) < 1 and about["scenes"][0]["entrance"] == "occluder"
    ),
    "several of its kind": lambda clip, about: bool(about) and about["scenes"][0]["count"] > 1,
    "class that looks much like another": lambda clip, about: clip.looks_alike,
    "class that sounds much like another": lambda clip, about: clip.sounds_alike,
}
STYLE = "drawn in another style"


def subgroups_of(clip: ClipScores, attributes: Mapping[str, Attributes]) -> list[str]:
    """A clip's subgroups. Clips in another style are in that one alone, so that it is not mixed with the others."""
    if clip.style:
        return [STYLE]
    about = attributes.get(clip.clip_id, {})
    return [name for name, holds in SUBGROUPS.items() if holds(clip, about)]


def read_attributes(root: Path | None) -> dict[str, Attributes]:
    """The attributes of each clip of a world; none where no file has them."""
    path = (root or Path()) / "attributes.jsonl"
    if root is None or not path.is_file():
        return {}
    return {one["clip_id"]: one for one in map(json.loads, path.read_text().splitlines())}


def class_means(pairs: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """The direction (D,) of the mean of each class's embeddings, from pairs of class and embedding (D,)."""
    sums: dict[str, Tensor] = {}
    for label, embedding in pairs:
        sums[label] = sums.get(label, torch.zeros_like(embedding)) + embedding
    return {label: F.normalize(one, dim=0) for label, one in sorted(sums.items())}


def nearest_classes(embeddings: Tensor, means: Mapping[str, Tensor]) -> list[str]:
    """For each embedding (N, D) the class whose mean is nearest by cosine."""
    classes = list(means)
    return [classes[place] for place in (embeddings @ torch.stack(list(means.values())).T).argmax(1).tolist()]


def like_another(means: Mapping[str, Tensor]) -> set[str]:
    """The share ALIKE of the classes whose nearest other class is nearest; none when there are fewer than two."""
    if len(means) < 2:
        return set()
    directions = torch.stack(list(means.values()))
    cosines = (directions @ directions.T).fill_diagonal_(-1).amax(1)
    nearest = cosines.argsort(descending=True)[: max(1, round(ALIKE * len(means)))]
    return {list(means)[place] for place in nearest.tolist()}


def _scenes(about: Attributes) -> int:
    return len(about.get("scenes", ()))


def _view(about: Attributes) -> float:
    """Part of the longer scene in which its object is in view."""
    scene = about["scenes"][0 if about["boundary"] >= 0.5 else -1]
    return float(scene["visible_to"] - scene["visible_from"])
