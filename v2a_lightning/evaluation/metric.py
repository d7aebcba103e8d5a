"""What a metric of generated sound is: its name, what it needs of a clip, and its number from the clips' features.

A metric is a torchmetrics class. `EvaluationSuite` feeds it the features of all clips; anybody else feeds it their own.
A new one is a subclass of `ClipMetric` or `SetMetric` in a file of one's own, named by class path in a YAML.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torchmetrics import Metric

from v2a_lightning.distances import check_features
from v2a_lightning.evaluation.features import FeatureExtractor
from v2a_lightning.evaluation.score_files import Score

ARROWS = {"lower": " ↓", "higher": " ↑"}
Better = Literal["lower", "higher"]
Features = Tensor | Sequence[Tensor]
Input = Literal["generated", "reference", "frames", "text"]


@dataclass(frozen=True)
class Number:
    """How a number is shown and read.

    Args:
        title: as a table heads it.
        better: which way is better; None when neither is.
        formula: what is computed, in words that name the choice among its variants.
        floor: a value it cannot fall below, if there is one.
        meaning: in a few words, for readers of a report.
        headline: whether a report shows it among the first.
    """

    title: str
    better: Better | None
    formula: str = ""
    floor: float | None = None
    meaning: str = ""
    headline: bool = False

    @property
    def heading(self) -> str:
        """The title with an arrow that says which way is better."""
        return self.title + (ARROWS[self.better] if self.better else "")


class AudioMetric(Metric, ABC):
    """One number about generated sounds, or several from one computation.

    Class attributes:
        name, title, better, formula, floor, meaning, headline: of its number, as in `Number`.
        needs: input of a clip -> the feature of it, as "extractor/feature"; "waveform" is the sound itself. Inputs are
            "generated", "reference", "frames" and "text"; a clip without one of them does not take part.
        minimum: fewest clips.
        extractors: feature extractors besides the suite's own, by the names that `needs` uses.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    better: ClassVar[Better] = "lower"
    formula: ClassVar[str] = ""
    floor: ClassVar[float | None] = None
    meaning: ClassVar[str] = ""
    headline: ClassVar[bool] = True
    needs: ClassVar[Mapping[Input, str]]
    minimum: ClassVar[int] = 1
    extractors: ClassVar[Mapping[str, type[FeatureExtractor]]] = {}

    full_state_update = False
    is_differentiable = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.higher_is_better = cls.better == "higher"
        cls.plot_lower_bound = cls.floor

    @classmethod
    def numbers(cls) -> dict[str, Number]:
        """Its numbers by their names."""
        number = Number(cls.title, cls.better, cls.formula, cls.floor, cls.meaning, cls.headline)
        return {cls.name: number}

    @abstractmethod
    def results(self, clip_ids: list[str], weights: Tensor) -> dict[str, Score]:
        """Its numbers of N clips in the order of the updates; clips count `weights` (B, N) in B resamples."""

    @property
    def extractor(self) -> str:
        """Name of the extractor of the generated sound's feature."""
        return self.needs["generated"].partition("/")[0]

    def inputs_of(self, features: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor] | None:
        """What it takes of one clip, from input -> "extractor/feature" -> feature; None when something is missing."""
        found = {str(given): features.get(given, {}).get(feature) for given, feature in self.needs.items()}
        present = {given: one for given, one in found.items() if one is not None}
        return present if len(present) == len(found) else None

    def plot(self, val: Any = None, ax: Any = None) -> Any:
        """Plot one or several results of `compute` or `forward`: (figure, axes)."""
        return self._plot(val, ax)


class ClipMetric(AudioMetric):
    """The mean of a value that each clip has by itself. Subclasses define `score`."""

    values: list[Tensor] | Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("values", [], dist_reduce_fx="cat")
        # Also what torchmetrics takes an empty list of another process for.
        self.set_dtype(torch.float64)

    @abstractmethod
    def score(self, **inputs: Tensor) -> Tensor | float:
        """The value of one clip, from the features that `needs` names, without a batch dimension."""

    def update(
        self,
        generated: Features,
        reference: Features | None = None,
        frames: Features | None = None,
        text: Features | None = None,
    ) -> None:
        """Add N clips: those of the four that `needs` names, each with N entries; frames are (T, D) for each clip."""
        given = {"generated": generated, "reference": reference, "frames": frames, "text": text}
        columns = [given[name] for name in self.needs]
        if any(column is None for column in columns):
            raise ValueError(f"{type(self).__name__} takes {', '.join(self.needs)}")
        rows = zip(*columns, strict=True)
        self.add([float(self.score(**dict(zip(self.needs, row, strict=True)))) for row in rows])

    def add(self, values: Sequence[float]) -> None:
        """Add values that `score` gave."""
        assert isinstance(self.values, list)
        self.values.append(torch.tensor(values, dtype=torch.float64, device=self.device))

    def per_clip(self) -> Tensor:
        """(N,) doubles."""
        return _joined(self.values)

    def compute(self) -> Tensor:
        """The mean, a double; ValueError when there was no clip."""
        if not len(values := self.per_clip()):
            raise ValueError(f"{type(self).__name__} needs at least one clip")
        return values.mean()

    def results(self, clip_ids: list[str], weights: Tensor) -> dict[str, Score]:
        """The mean, with the values and the resamples of it."""
        return {self.name: mean_score(self.per_clip(), clip_ids, weights)}


class SetMetric(AudioMetric):
    """A number of all clips' features together, which are kept and gathered over processes.

    Exact under DDP however unevenly clips are shared out. Where the order counts (random parts, pairs), it is that of
    `places`; without them that of the updates, process by process. Subclasses define `value`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # A clip is its place, rows and columns, and its features: torchmetrics gathers an empty list as (0,).
        for side in self.needs:
            self.add_state(side, [], dist_reduce_fx="cat")
        self.set_dtype(torch.float64)

    @abstractmethod
    def value(self, **sides: list[Tensor]) -> Tensor | float:
        """The number, from the clips' features (rows, D), in doubles; ValueError when these clips have none."""

    def resampled(self, weights: Tensor, **sides: list[Tensor]) -> Tensor:
        """(B,) the number of B resamples, in which clips count `weights` (B, N) times; empty where there are none."""
        return weights.new_zeros(0)

    def update(
        self,
        generated: Features | None = None,
        reference: Features | None = None,
        places: Sequence[int] | Tensor | None = None,
    ) -> None:
        """Add clips to either side or both: features (N, D), or (rows, D) for each of N clips.

        Raises:
            ValueError: when a shape does not fit or a value is not finite.
        """
        for side, features in (("generated", generated), ("reference", reference)):
            if features is not None and side in self.needs:
                self._add(side, [row.reshape(-1, row.shape[-1]) for row in features], places)

    def sides(self) -> dict[str, list[Tensor]]:
        """For each side the clips' features (rows, D), in the order of their places."""
        return {side: _clips(_joined(getattr(self, side))) for side in self.needs}

    def compute(self) -> Any:
        """The number, a double; ValueError when there are too few clips."""
        sides = self.sides()
        if not all(sides.values()):
            raise ValueError(f"{type(self).__name__} needs at least one clip")
        return torch.as_tensor(self.value(**sides), dtype=torch.float64, device=self.device)

    def results(self, clip_ids: list[str], weights: Tensor) -> dict[str, Score]:
        """The number, with the resamples of it where it has any."""
        sides = self.sides()
        # Of no resample there is none.
        replicates = self.resampled(weights, **sides) if len(weights) else weights.new_zeros(0)
        return {self.name: Score(float(self.value(**sides)), clip_ids, replicates)}

    def _add(self, side: str, clips: list[Tensor], places: Sequence[int] | Tensor | None) -> None:
        state = getattr(self, side)
        width = int(state[0][2]) if state else clips[0].shape[1] if clips else 0
        order = range(len(state), len(state) + len(clips)) if places is None else places
        for place, clip in zip(order, clips, strict=True):
            check_features(clip, clip.new_zeros(1, width), minimum=0)
            head = torch.tensor([int(place), *clip.shape], dtype=torch.float64, device=self.device)
            state.append(torch.cat([head, clip.detach().to(head).flatten()]))


def _clips(state: Tensor) -> list[Tensor]:
    found = []
    while len(state):
        place, rows, columns = state[:3].long().tolist()
        end = 3 + rows * columns
        found.append((place, state[3:end].reshape(rows, columns)))
        state = state[end:]
    return [clip for _, clip in sorted(found, key=itemgetter(0))]


def mean_score(per_clip: Tensor, clip_ids: list[str], weights: Tensor) -> Score:
    """The mean of values (N,) of clips, with its resamples by weights (B, N)."""
    return Score(float(per_clip.mean()), clip_ids, weights @ per_clip / len(per_clip), per_clip)


def rows(clips: Iterable[Tensor]) -> Tensor:
    """All rows (N, D) of clips' features (rows, D); (0, 0) of none."""
    found = list(clips)
    return torch.cat(found) if found else torch.empty(0, 0, dtype=torch.float64)


def _joined(state: list[Tensor] | Tensor) -> Tensor:
    pieces = [state] if isinstance(state, Tensor) else state
    return torch.cat(pieces) if pieces else torch.empty(0, dtype=torch.float64)
