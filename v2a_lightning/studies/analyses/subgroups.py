"""Subgroups of clips that may be hard: by attributes, drawing style, and how like another the class is."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
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
        subgroups: that the clip is in.
    """

    clip_id: str
    label: str
    cosine: float
    guess: str
    kl: float | None = None
    cs: float | None = None
    subgroups: list[str] = field(default_factory=list)


# Whether a clip is in a subgroup, by its attributes; real clips have none.
BY_ATTRIBUTES: dict[str, Callable[[Attributes], bool]] = {
    "one scene, object mostly in view": lambda about: len(about["scenes"]) == 1 and _view(about) >= 0.5,
    "two scenes in the clip": lambda about: len(about["scenes"]) == 2,
    "object in view less than half of the time": lambda about: _view(about) < 0.5,
    "behind something (not at the side)": lambda about: (
        _view(about) < 1 and about["scenes"][0]["entrance"] == "occluder"
    ),
    "several of its kind": lambda about: about["scenes"][0]["count"] > 1,
}
LOOKS_ALIKE, SOUNDS_ALIKE = "class that looks much like another", "class that sounds much like another"
STYLE = "drawn in another style"
SUBGROUPS = (*BY_ATTRIBUTES, LOOKS_ALIKE, SOUNDS_ALIKE, STYLE)


def subgroups_of(clip: ClipScores, about: Attributes | None, alike: Mapping[str, Collection[str]]) -> list[str]:
    """A clip's subgroups, but for STYLE: clips in another style are in that one alone.

    Args:
        clip: the clip.
        about: its attributes.
        alike: which classes LOOKS_ALIKE and SOUNDS_ALIKE are said of.
    """
    found = [name for name, holds in BY_ATTRIBUTES.items() if about is not None and holds(about)]
    return found + [name for name, labels in alike.items() if clip.label in labels]


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


def _view(about: Attributes) -> float:
    """Part of the longer scene in which its object is in view."""
    scene = about["scenes"][0 if about["boundary"] >= 0.5 else -1]
    return float(scene["visible_to"] - scene["visible_from"])
