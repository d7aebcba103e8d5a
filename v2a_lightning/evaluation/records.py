"""What is known of each clip once its sounds were heard, and how the processes of a run share it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from v2a_lightning.evaluation.hearing import Features
from v2a_lightning.evaluation.sounds import Fault

SILENCE_WARNING_SHARE = 0.01


@dataclass(frozen=True)
class ClipRecord:
    """One clip.

    Args:
        clip_id: the clip.
        generated: features of the generated sound; empty when the sound holds no finite samples.
        reference: features of the clip's own sound; empty when there is none or it holds no finite samples.
        similarities: named scores against the clip's frames or text.
        faults: of the generated sound.
        reference_faults: of the clip's own sound.
    """

    clip_id: str
    generated: Features
    reference: Features = field(default_factory=dict)
    similarities: dict[str, float] = field(default_factory=dict)
    faults: frozenset[Fault] = frozenset()
    reference_faults: frozenset[Fault] = frozenset()

    @property
    def paired(self) -> bool:
        """Whether both sounds were heard."""
        return bool(self.generated) and bool(self.reference)


def gather_records(records: Iterable[ClipRecord]) -> list[ClipRecord]:
    """The records of all processes, one per clip, in the order of the clip ids.

    The order makes every score the same number whatever the processes, the shards and the batches were; a clip that a
    sampler handed to two processes counts once.
    """
    shards = [list(records)]
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        mine, shards = shards[0], [[] for _ in range(torch.distributed.get_world_size())]
        torch.distributed.all_gather_object(shards, mine)
    by_clip = {record.clip_id: record for shard in reversed(shards) for record in shard}
    return [by_clip[clip_id] for clip_id in sorted(by_clip)]


def stacked(records: Iterable[ClipRecord], side: str, name: str) -> Tensor:
    """One feature of all records as (N, ...); `side` is "generated" or "reference"."""
    return torch.stack([getattr(record, side)[name] for record in records])


def fault_lines(records: list[ClipRecord]) -> list[str]:
    """One line for each kind of fault found, with the clips' share and the first of them."""
    lines = []
    for side, attribute in (("generated", "faults"), ("reference", "reference_faults")):
        found = {fault for record in records for fault in getattr(record, attribute)}
        for fault in sorted(found):
            clips = [record.clip_id for record in records if fault in getattr(record, attribute)]
            share = len(clips) / len(records)
            named = ", ".join(clips[:3]) + (", ..." if len(clips) > 3 else "")
            mark = "WARNING: " if fault == "silent" and share > SILENCE_WARNING_SHARE else ""
            words = fault.replace("_", " ")
            lines.append(f"{mark}{len(clips)} of {len(records)} {side} sounds are {words} ({share:.1%}): {named}")
    return lines


def fault_share(records: list[ClipRecord], fault: Fault) -> float:
    """Share of the generated sounds that have a fault."""
    return sum(fault in record.faults for record in records) / max(1, len(records))
