"""How tables, charts and pages call a score, and which way is better: the catalogue's numbers, and a run's own."""

from collections.abc import Mapping
from typing import Any

from v2a_lightning.evaluation.catalogue import CATALOGUE, EMBEDDING_NUMBERS
from v2a_lightning.evaluation.metric import Number

MEASURES: dict[str, Number] = {
    **CATALOGUE,
    **EMBEDDING_NUMBERS,
    "embedding_fd_floor": Number("Embedding FD, floor", None),
    "loss": Number("Loss", "lower", meaning="of the objective"),
    "gap_centroid": Number("Centroid distance", "lower"),
    "gap_separability": Number("Separability", "lower"),
    "gap_frechet": Number("Fréchet distance", "lower"),
    "milliseconds": Number("Sampling, ms a clip", "lower"),
    "seconds": Number("Seconds", "lower"),
}


def measure(name: str, cards: Mapping[str, Mapping[str, Any]] | None = None) -> Number:
    """The score of a name; of a metric that a user wrote what its card says; else it is called by its name.

    Args:
        name: of the score.
        cards: of an evaluation, by metric.
    """
    card = (cards or {}).get(name, {})
    if name in MEASURES or not card.get("title"):
        return MEASURES.get(name, Number(name, None))
    return Number(card["title"], card["better"] or None, card["formula"], headline=bool(card["headline"]))


def sound_measures(cards: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The scores of sound that a page shows: the catalogue's first ones, then those of metrics that a user wrote."""
    own = [name for name in cards if name not in MEASURES and measure(name, cards).headline]
    return [*(name for name, number in CATALOGUE.items() if number.headline), *own]
