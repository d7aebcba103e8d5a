"""Several systems side by side: only where their cards allow it, with paired bootstrap differences, as tables."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from rich.table import Table

from v2a_lightning.errors import UsageError
from v2a_lightning.evaluation.cards import differing_fields, field_value
from v2a_lightning.evaluation.catalogue import CATALOGUE, in_order
from v2a_lightning.evaluation.metric import Number
from v2a_lightning.evaluation.score_files import Score, ScoreFile


@dataclass(frozen=True)
class Difference:
    """A system's number less the first system's.

    Args:
        low, high: ends of its 95 % interval.
        p_value: of no difference, two-sided, at least 2 / (resamples + 1).
    """

    value: float
    low: float
    high: float
    p_value: float


def check_comparable(files: Sequence[ScoreFile]) -> None:
    """Raise UsageError, naming metric, field and both values, where cards differ beyond the systems' own doing."""
    first = files[0]
    for other in files[1:]:
        for name in [name for name in first.cards if name in other.cards]:
            cards = first.cards[name], other.cards[name]
            if fields := differing_fields(*cards):
                values = " and ".join(_shown(field_value(card, fields[0])) for card in cards)
                raise UsageError(
                    f"{first.name} and {other.name} cannot be compared: the cards of {name} differ in "
                    f"{', '.join(fields)} ({fields[0]}: {values})"
                )
        # Without resamples there is no p-value to be wrong; numbers as they are may be put side by side.
        drawn = first.resamples and other.resamples
        if drawn and (first.resamples, first.seed) != (other.resamples, other.seed):
            raise UsageError(
                f"{first.name} and {other.name} took other resamples ({first.resamples}, seed {first.seed} and "
                f"{other.resamples}, seed {other.seed}); evaluate both with the same --resamples and --seed"
            )


def paired_difference(first: Score, second: Score) -> Difference | None:
    """Difference of two numbers by paired bootstrap, on the same draws of clips; None without resamples.

    The differences are moved to have the measured difference as their mean.
    """
    if not len(first.replicates) or len(first.replicates) != len(second.replicates):
        return None
    value = second.value - first.value
    differences = second.replicates - first.replicates
    differences = differences - differences.mean() + value
    low, high = torch.quantile(differences, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    beyond = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return Difference(value, low, high, min(1.0, 2 * (beyond + 1) / (len(differences) + 1)))


def number_of(name: str, files: Sequence[ScoreFile]) -> Number:
    """How a number is shown: as its card says, or the catalogue where an earlier version wrote the card."""
    card = next((file.cards[name] for file in files if name in file.cards and file.cards[name].title), None)
    if card is None:
        return CATALOGUE.get(name, Number(name, None))
    return Number(card.title, "higher" if card.better == "higher" else "lower", card.formula, card.floor)


def best_system(name: str, files: Sequence[ScoreFile]) -> int | None:
    """Place of the system with the best number of a metric; None when fewer than two have one, or all are equal."""
    values = [(file.scores.found[name].value, place) for place, file in enumerate(files) if name in file.scores.found]
    better = number_of(name, files).better
    if len({value for value, _ in values}) < 2 or better is None:
        return None
    return (min if better == "lower" else max)(values)[1]


def score_table(file: ScoreFile) -> Table:
    """One system: value, 95 % interval, clips and extractor of every metric."""
    table = Table(title=_title(file.name, file.label), title_justify="left")
    for heading in ("metric", "value", "95 % interval", "clips", "extractor"):
        table.add_column(heading, justify="left" if heading in ("metric", "extractor") else "right", no_wrap=True)
    for name, score in file.scores.found.items():
        number, clips = number_of(name, [file]), str(len(score.clip_ids))
        cells = number.heading, f"{score.value:.4g}", _interval(number, score), clips, file.cards[name].extractor
        table.add_row(*cells)
    return table


def comparison_table(files: Sequence[ScoreFile]) -> Table:
    """Several systems: the best value of a row is bold; p compares with the first system."""
    table = Table(title=_title("comparison", files[0].label), title_justify="left")
    table.add_column("metric", no_wrap=True)
    for file in files:
        table.add_column(file.name, justify="right")
    for name in in_order(name for file in files for name in file.scores.found):
        number, best = number_of(name, files), best_system(name, files)
        cells = [_cell(name, number, files[0], file, place == best) for place, file in enumerate(files)]
        table.add_row(number.heading, *cells)
    return table


def _cell(name: str, number: Number, first: ScoreFile, file: ScoreFile, best: bool) -> str:
    score = file.scores.found.get(name)
    if score is None:
        return "-"
    text = f"[bold]{score.value:.4g}[/bold]" if best else f"{score.value:.4g}"
    if score.interval() is not None:
        text += f" {_interval(number, score)}"
    own = first.scores.found.get(name)
    difference = None if file is first or own is None else paired_difference(own, score)
    return text if difference is None else f"{text} p={difference.p_value:.3f}"


def _interval(number: Number, score: Score) -> str:
    interval = score.interval(number.floor)
    # A bracket would be taken for markup.
    return "-" if interval is None else f"({interval[0]:.4g}, {interval[1]:.4g})"


def _title(text: str, label: str) -> str:
    return f"{text} ({label})" if label else text


def _shown(value: object) -> str:
    text = str(value)
    return f"{text[:16]}..." if len(text) > 60 else text
