"""The same clips on every run, shared out evenly over the processes."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from v2a_lightning.distances import cosines
from v2a_lightning.ranks import gather_lists, rank_and_count

Item = TypeVar("Item")


@dataclass(frozen=True)
class MappedClip:
    """One clip's way through the mapper, on the CPU.

    Args:
        label: what the data says it sounds like; "" where it does not say.
        embedding: (N, D) what the mapper made of the frames.
        frames: (T, D_v) the real frames' embeddings; of several encoders, side by side.
        audio: (N, D) the target of the true sound, where there is a sound.
    """

    clip_id: str
    label: str
    embedding: Tensor
    frames: Tensor
    audio: Tensor | None

    @property
    def cosine(self) -> float | None:
        """Of the mapper's embedding and the true sound's."""
        if self.audio is None:
            return None
        return float(cosines(*(one.flatten()[None] for one in (self.embedding, self.audio)))[0])


def mapped_clips(batch: Mapping[str, Any], outputs: Mapping[str, Any]) -> list[MappedClip]:
    """The clips of a validation batch with what `validation_step` returned for them."""
    views = batch["frames"] if isinstance(batch["frames"], Mapping) else {"": batch["frames"]}
    frames, mask = torch.cat(list(views.values()), dim=-1).float().cpu(), batch["frame_mask"].cpu()
    embeddings = outputs["embedding"].float().cpu()
    labels = batch.get("label") or [""] * len(embeddings)
    audio = batch["target"].float().cpu() if "target" in batch else [None] * len(embeddings)
    return [
        MappedClip(clip_id, labels[row], embeddings[row], frames[row][mask[row]], audio[row])
        for row, clip_id in enumerate(outputs["clip_id"])
    ]


class Selection:
    """Keeps `count` clips, or all when None: those whose ids come first in an order made by hashing with a seed.

    Which clips these are depends on the set of clips and the seed alone. Never holds more than it keeps.
    """

    def __init__(self, count: int | None, seed: int) -> None:
        self.count = count
        self.seed = seed
        self._kept: dict[str, MappedClip] = {}

    def add(self, clips: Iterable[MappedClip]) -> None:
        """Offer clips. One that came by before is the same clip."""
        self._kept |= {clip.clip_id: clip for clip in clips}
        first = sorted(self._kept, key=lambda clip_id: place(clip_id, self.seed))[: self.count]
        self._kept = {clip_id: self._kept[clip_id] for clip_id in first}

    def gather(self) -> list[MappedClip]:
        """The selection over all processes, the same list in each. Every process has to call it."""
        together = Selection(self.count, self.seed)
        together.add(gather_lists(list(self._kept.values())))
        return list(together._kept.values())


def place(clip_id: str, seed: int) -> bytes:
    """Where a clip stands in the order from which selections take their first ones."""
    return hashlib.sha256(f"{seed}/{clip_id}".encode()).digest()


def own_batches(items: Sequence[Item], size: int, done: Callable[[Item], bool]) -> list[list[Item]]:
    """This process's part of the items, the same in all processes, in batches of `size` at most.

    An item's neighbours are always the same: the batches are those of every n-th item for the n processes, whatever is
    `done`. What is not done is shared out evenly, and what is done as well.
    """
    rank, count = rank_and_count()
    shares = [items[one::count] for one in range(count)]
    rounds = range(0, len(shares[0]), size)
    batches = [list(share[start : start + size]) for start in rounds for share in shares if start < len(share)]
    whole = [index for index, batch in enumerate(batches) if all(map(done, batch))]
    parts = [index for index in range(len(batches)) if index not in set(whole)]
    return [batches[index] for index in sorted(parts[rank::count] + whole[rank::count])]
