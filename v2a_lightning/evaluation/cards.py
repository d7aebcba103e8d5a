"""Metric cards: what a number was measured with, so that it can be told whether two numbers may be compared."""

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

# What a system's own output decides; two systems are compared in spite of it. How a number is shown is no part of it.
OUTCOMES = frozenset({"generation", "silent_share", "clipped_share"})
SHOWN = frozenset({"title", "better", "floor", "headline"})
# What of the generation changes what is compared, where both cards say it: sounds of another length are other sounds.
COMPARED_GENERATION = ("seconds",)


@dataclass(frozen=True)
class MetricCard:
    """Everything a number depends on besides the generated sounds.

    Args:
        metric: the number's name.
        formula: what is computed, in words that name the choice among its variants.
        extractor: network whose features are compared.
        weights_sha256: of the extractor's weights file.
        fingerprint: of the extractor's weights and settings together.
        label: "miniature" for the shipped small world's extractors, else "".
        sample_rate: hertz to which sounds are brought for the extractor.
        channels: how many channels became one.
        resampler: how other sample rates are brought to the extractor's.
        crop: which part of a sound is used.
        n_generated, n_reference: sounds in the number.
        clips_sha256: of the sorted clip ids, one a line.
        frames: which frames of a clip are used and by which CLIP, where the number needs any.
        silent_share, clipped_share: of the generated sounds.
        generation: how the sounds were generated, as far as is known: seed, seconds, generator, mapper.
        title, better, floor, headline: how the number is shown, as in `metric.Number`.
    """

    metric: str
    formula: str
    extractor: str
    weights_sha256: str
    fingerprint: str
    label: str
    sample_rate: int
    channels: str
    resampler: str
    crop: str
    n_generated: int
    n_reference: int
    clips_sha256: str
    frames: str = ""
    silent_share: float = 0.0
    clipped_share: float = 0.0
    generation: dict[str, Any] = field(default_factory=dict)
    title: str = ""
    better: str = ""
    floor: float | None = None
    headline: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "MetricCard":
        """The card that `to_dict` wrote, or an earlier version without `SHOWN`; ValueError names a wrong field."""
        names = {item.name for item in dataclasses.fields(cls)}
        if wrong := sorted((names - SHOWN - values.keys()) | (values.keys() - names)):
            raise ValueError(f"a metric card has no or no such field {wrong[0]!r}")
        return cls(**values)


def differing_fields(first: MetricCard, second: MetricCard) -> list[str]:
    """Names of the fields that forbid comparing two numbers; outcomes of the systems themselves are not among them."""
    # One network may lie in two places: with the same fingerprint its name and label say nothing more.
    same_network = frozenset({"extractor", "label"}) if first.fingerprint == second.fingerprint else frozenset()
    ignored = OUTCOMES | SHOWN | same_network
    names = [item.name for item in dataclasses.fields(MetricCard) if item.name not in ignored]
    differing = [name for name in names if getattr(first, name) != getattr(second, name)]
    one, other = first.generation, second.generation
    shared = [key for key in COMPARED_GENERATION if key in one and key in other]
    return [*differing, *(f"generation.{key}" for key in shared if one[key] != other[key])]


def field_value(card: MetricCard, name: str) -> Any:
    """The value of a field that `differing_fields` names."""
    of, _, key = name.partition(".")
    return getattr(card, of)[key] if key else getattr(card, of)


def clips_sha256(clip_ids: Sequence[str]) -> str:
    """Stands for a set of clips, whatever their order."""
    return hashlib.sha256("".join(f"{clip_id}\n" for clip_id in sorted(clip_ids)).encode()).hexdigest()
