"""Metric cards: what a number was measured with, so that it can be told whether two numbers may be compared."""

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

# What a system's own output decides; two systems are compared in spite of it.
OUTCOMES = frozenset({"generation", "silent_share", "clipped_share"})


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
        sample_rate: hertz the extractor hears.
        channels: how many channels became one.
        resampler: how other sample rates are brought to the extractor's.
        crop: which part of a sound is heard.
        n_generated: generated sounds in the number.
        n_reference: reference sounds in the number.
        clips_sha256: of the sorted clip ids, one a line.
        frames: which frames of a clip are looked at, where the number looks at any.
        silent_share: of the generated sounds.
        clipped_share: of the generated sounds.
        generation: how the sounds were made, as far as is known: seed, sampler, steps, guidance, checkpoint.
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

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "MetricCard":
        """The card that `to_dict` wrote.

        Raises:
            ValueError: naming a field that is missing or unknown.
        """
        names = {item.name for item in dataclasses.fields(cls)}
        if wrong := sorted(names ^ values.keys()):
            raise ValueError(f"a metric card has no or no such field {wrong[0]!r}")
        return cls(**values)


def differing_fields(first: MetricCard, second: MetricCard) -> list[str]:
    """Names of the fields that forbid comparing two numbers; outcomes of the systems themselves are not among them."""
    # One network may lie in two places: with the same fingerprint its name and label say nothing more.
    told_by_fingerprint = frozenset({"extractor", "label"}) if first.fingerprint == second.fingerprint else frozenset()
    names = [item.name for item in dataclasses.fields(MetricCard) if item.name not in OUTCOMES | told_by_fingerprint]
    return [name for name in names if getattr(first, name) != getattr(second, name)]


def clips_sha256(clip_ids: Sequence[str]) -> str:
    """Stands for a set of clips, whatever their order."""
    return hashlib.sha256("".join(f"{clip_id}\n" for clip_id in sorted(clip_ids)).encode()).hexdigest()
