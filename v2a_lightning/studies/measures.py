"""How tables and figures call a score, and which way is better."""

from typing import Literal, NamedTuple

from v2a_lightning.evaluation.catalogue import CATALOGUE


class Measure(NamedTuple):
    """A score: its title, and which way is better; None when neither is."""

    title: str
    better: Literal["lower", "higher"] | None

    @property
    def heading(self) -> str:
        """The title with an arrow that says which way is better."""
        return f"{self.title} {ARROWS[self.better]}" if self.better else self.title


ARROWS = {"lower": "↓", "higher": "↑"}
MEASURES = {name: Measure(entry.title, entry.better) for name, entry in CATALOGUE.items()} | {
    "embedding_fd": Measure("Embedding FD", "lower"),
    "embedding_kad": Measure("Embedding KAD", "lower"),
    "cosine": Measure("Cosine", "higher"),
    "cosine_unrelated": Measure("Cosine, unrelated", None),
    "recall@1": Measure("Recall@1", "higher"),
    "recall@5": Measure("Recall@5", "higher"),
    "recall@10": Measure("Recall@10", "higher"),
    "loss": Measure("Loss", "lower"),
    "gap_centroid": Measure("Centroid distance", "lower"),
    "gap_separability": Measure("Separability", "lower"),
    "gap_frechet": Measure("Fréchet distance", "lower"),
    "milliseconds": Measure("Sampling, ms a clip", "lower"),
    "seconds": Measure("Seconds", "lower"),
}


def measure(name: str) -> Measure:
    """The score of a name; an unknown one is called by it."""
    return MEASURES.get(name, Measure(name, None))
