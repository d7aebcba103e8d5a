"""How mapped embeddings compare with true ones, before any sound is made: cheap enough for a whole validation set."""

from contextlib import suppress

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric

from v2a_lightning.evaluation.frechet import frechet_distance
from v2a_lightning.evaluation.kernel import paired_kernel_distance
from v2a_lightning.evaluation.shapes import check_features, stored_rows

RANKS = (1, 5, 10)
ROWS_AT_ONCE = 1024


def mean_cosines(predicted: Tensor, target: Tensor) -> tuple[float, float]:
    """Mean cosine of pairs, and of predictions with the targets of other clips: (N, D), (N, D).

    The second is NaN-free only for N >= 2; it is what the first has to be compared with.
    """
    predicted, target = F.normalize(predicted.double(), dim=1), F.normalize(target.double(), dim=1)
    count = len(predicted)
    own = (predicted * target).sum()
    every = predicted.sum(0) @ target.sum(0)
    return float(own / count), float((every - own) / (count * (count - 1)))


def retrieval_ranks(predicted: Tensor, target: Tensor) -> Tensor:
    """For each prediction, how many other targets are at least as close (by cosine) as its own: (N, D), (N, D) -> (N,).

    Equal cosines count against the prediction, so that a constant prediction retrieves nothing.
    """
    check_features(predicted, target, minimum=1, paired=True)
    predicted, target = F.normalize(predicted.double(), dim=1), F.normalize(target.double(), dim=1)
    ranks = []
    for rows in torch.arange(len(predicted), device=predicted.device).split(ROWS_AT_ONCE):
        cosine = predicted[rows] @ target.T
        own = cosine[torch.arange(len(rows)), rows]
        ranks.append((cosine >= own[:, None]).sum(1) - 1)
    return torch.cat(ranks)


class EmbeddingMetrics(Metric):
    """Frechet distance, KAD, cosine, cosine with other clips' targets, and recall@k over pairs of embeddings.

    `compute` gives {"embedding_fd", "embedding_kad", "cosine", "cosine_unrelated", "recall@1", "recall@5",
    "recall@10"}; recall counts the clips whose own target is among the k closest of all targets. All embeddings are
    L2-normalised first, kept, and gathered over processes: exact under DDP with uneven shards.

    Args:
        features: width D of the embeddings.
    """

    full_state_update = False
    is_differentiable = False
    predicted: list[Tensor] | Tensor
    target: list[Tensor] | Tensor

    def __init__(self, features: int = 512, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.features = features
        self.add_state("predicted", [], dist_reduce_fx="cat")
        self.add_state("target", [], dist_reduce_fx="cat")

    def update(self, predicted: Tensor, target: Tensor) -> None:
        """Add pairs of embeddings, (N, D) each.

        Raises:
            ValueError: when shapes do not fit or a value is not finite.
        """
        check_features(predicted, target, minimum=0, paired=True)
        check_features(predicted, predicted.new_zeros(1, self.features), minimum=0)
        for state, embeddings in ((self.predicted, predicted), (self.target, target)):
            assert isinstance(state, list)
            state.append(F.normalize(embeddings.detach().to(self.device, self.dtype), dim=1).flatten())

    def compute(self) -> dict[str, float]:
        """All metrics by name; without "embedding_kad" when most targets are one and the same, which has no bandwidth.

        Raises:
            ValueError: when there are fewer than two pairs.
        """
        predicted, target = stored_rows(self.predicted, self.features), stored_rows(self.target, self.features)
        check_features(predicted, target, minimum=2, paired=True)
        cosine, unrelated = mean_cosines(predicted, target)
        ranks = retrieval_ranks(predicted, target)
        found = {
            "embedding_fd": frechet_distance(predicted, target),
            "cosine": cosine,
            "cosine_unrelated": unrelated,
            **{f"recall@{k}": float((ranks < k).double().mean()) for k in RANKS},
        }
        # Several cuts of one film may have one and the same sound; that is no reason to end a training.
        with suppress(ValueError):
            found["embedding_kad"] = float(paired_kernel_distance(predicted, target))
        return found
