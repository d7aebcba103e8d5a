"""Embedding-space metrics of a validation or a test: exactly, over all clips of all processes."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from v2a_lightning.distances import compare_embeddings, frechet_distance
from v2a_lightning.errors import RunFailure
from v2a_lightning.mapper.gathering import gather_clips

Scored = tuple[list[str], Tensor, Tensor, Tensor]


class EmbeddingScores:
    """Collects the batches of one pass over a split; the tokens of a target (N, D) are scored as one embedding."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.dim = shape[0] * shape[1]
        self._scored: list[Scored] = []
        self._floor_of: tuple[Tensor, float] | None = None

    def add(self, clip_ids: Sequence[str], losses: Tensor, embeddings: Tensor, targets: Tensor) -> None:
        """Keep a batch: losses (B,), sampled and true targets (B, N, D)."""
        losses, embeddings, targets = (rows.detach().float().cpu() for rows in (losses, embeddings, targets))
        self._scored.append((list(clip_ids), losses, embeddings.flatten(1), targets.flatten(1)))

    def forget(self) -> None:
        """Begin anew."""
        self._scored = []

    def compute(self, stage: str) -> dict[str, float | Tensor]:
        """Scores of all processes' clips by name, none when no clip has a true embedding; then begin anew.

        Args:
            stage: "val" or "test", for messages.

        Raises:
            RunFailure: when there is one clip only.
        """
        nothing: Scored = ([], torch.zeros(0), torch.zeros(0, self.dim), torch.zeros(0, self.dim))
        names, *parts = zip(nothing, *self._scored, strict=True)
        clip_ids = [name for batch in names for name in batch]
        losses, embeddings, targets = gather_clips(clip_ids, *(torch.cat(part) for part in parts))
        self.forget()
        if len(losses) == 0:
            return {}
        if len(losses) == 1:
            raise RunFailure(f"{stage}: embedding metrics need two clips and there is one; give more")
        found: dict[str, float | Tensor] = {"loss": float(losses.mean()), **compare_embeddings(embeddings, targets)}
        if len(targets) >= 4:
            found["embedding_fd_floor"] = self._floor(targets)
        return found

    def _floor(self, targets: Tensor) -> float:
        """The embedding distance between one half of the true embeddings (N, dim), sorted by clip id, and the other.

        Each half has half as many clips as `embedding_fd` has, so that this floor is higher than that distance's own.
        """
        if self._floor_of is None or not torch.equal(self._floor_of[0], targets):
            unit, half = F.normalize(targets, dim=-1), len(targets) // 2
            self._floor_of = targets, frechet_distance(unit[::2][:half], unit[1::2][:half])
        return self._floor_of[1]
