"""How tables, charts and pages call a score, and which way is better."""

from typing import NamedTuple

from v2a_lightning.evaluation.catalogue import CATALOGUE
from v2a_lightning.reports.charts import Better

ARROWS = {"lower": "↓", "higher": "↑"}


class Measure(NamedTuple):
    """A score: its title, which way is better (None when neither is), and what it is in a few words."""

    title: str
    better: Better | None
    meaning: str = ""

    @property
    def heading(self) -> str:
        """The title with an arrow that says which way is better."""
        return f"{self.title} {ARROWS[self.better]}" if self.better else self.title


MEASURES = {name: Measure(entry.title, entry.better, entry.formula) for name, entry in CATALOGUE.items()} | {
    "embedding_fd": Measure("Embedding FD", "lower", "Fréchet distance of mapped and true CLAP embeddings"),
    "embedding_kad": Measure("Embedding KAD", "lower", "kernel distance of mapped and true CLAP embeddings"),
    "cosine": Measure("Cosine", "higher", "to the true embedding, and to an unrelated clip's"),
    "cosine_unrelated": Measure("Cosine, unrelated", None, "to an unrelated clip's embedding"),
    **{
        f"recall@{rank}": Measure(
            f"Recall@{rank}", "higher", f"share of clips with the own sound in the nearest {rank}"
        )
        for rank in (1, 5, 10)
    },
    "loss": Measure("Loss", "lower", "of the objective"),
    "gap_centroid": Measure("Centroid distance", "lower"),
    "gap_separability": Measure("Separability", "lower"),
    "gap_frechet": Measure("Fréchet distance", "lower"),
    "milliseconds": Measure("Sampling, ms a clip", "lower"),
    "seconds": Measure("Seconds", "lower"),
}


def measure(name: str) -> Measure:
    """The score of a name; an unknown one is called by it."""
    return MEASURES.get(name, Measure(name, None))
