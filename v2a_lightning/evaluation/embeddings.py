"""How mapped embeddings compare with true ones, before any sound is made: cheap enough for a whole validation set."""

from typing import Any, ClassVar

from torch import Tensor

from v2a_lightning.distances import RANKS, compare_embeddings
from v2a_lightning.evaluation.metric import Number, SetMetric, rows
from v2a_lightning.evaluation.score_files import Score


class EmbeddingMetrics(SetMetric):
    """`compare_embeddings` of mapped ("generated") and true ("reference") embeddings, (N, D) each.

    `compute` gives {"embedding_fd", "embedding_kad", "cosine", "cosine_unrelated", "recall@1", "recall@5",
    "recall@10"}.

    Example:
        >>> import torch
        >>> metric = EmbeddingMetrics()
        >>> metric.update(torch.eye(4), torch.eye(4))
        >>> metric.compute()["recall@1"]
        1.0
    """

    needs: ClassVar = {"generated": "mapper/embedding", "reference": "target/embedding"}
    minimum = 2

    @classmethod
    def numbers(cls) -> dict[str, Number]:
        """Seven."""
        return {
            "embedding_fd": Number(
                "Embedding FD", "lower", meaning="Fréchet distance of mapped and true CLAP embeddings"
            ),
            "embedding_kad": Number(
                "Embedding KAD", "lower", meaning="kernel distance of mapped and true CLAP embeddings"
            ),
            "cosine": Number("Cosine", "higher", meaning="to the true embedding, and to an unrelated clip's"),
            "cosine_unrelated": Number("Cosine, unrelated", None, meaning="to an unrelated clip's embedding"),
            **{
                f"recall@{rank}": Number(
                    f"Recall@{rank}", "higher", meaning=f"share of clips with the own sound in the nearest {rank}"
                )
                for rank in RANKS
            },
        }

    def value(self, **sides: list[Tensor]) -> Any:
        """All by name."""
        return compare_embeddings(*(rows(clips) for clips in sides.values()))

    def compute(self) -> dict[str, float]:
        """All by name.

        Raises:
            ValueError: when there are fewer than two pairs.
        """
        found: dict[str, float] = self.value(**self.sides())
        return found

    def results(self, clip_ids: list[str], weights: Tensor) -> dict[str, Score]:
        """All of them, without resamples."""
        return {name: Score(value, clip_ids) for name, value in self.compute().items()}
