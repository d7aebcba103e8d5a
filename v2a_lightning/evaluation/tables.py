"""Scores as tables in a terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from v2a_lightning.evaluation.catalogue import CATALOGUE
from v2a_lightning.evaluation.comparing import best_system, paired_difference
from v2a_lightning.evaluation.score_files import ScoreFile
from v2a_lightning.evaluation.scoring import Score

if TYPE_CHECKING:
    from rich.table import Table

ARROWS = {"lower": "↓", "higher": "↑"}


def score_table(file: ScoreFile) -> "Table":
    """One system: value, 95 % interval, clips and extractor of every metric."""
    from rich.table import Table

    table = Table(title=_title(file.name, file.label), title_justify="left")
    for heading in ("metric", "value", "95 % interval", "clips", "extractor"):
        table.add_column(heading, justify="left" if heading in ("metric", "extractor") else "right", no_wrap=True)
    for name, score in file.scores.found.items():
        clips = str(len(score.clip_ids))
        table.add_row(_heading(name), f"{score.value:.4g}", _interval(name, score), clips, file.cards[name].extractor)
    return table


def comparison_table(files: Sequence[ScoreFile]) -> "Table":
    """Several systems: the best value of a row is bold; p compares with the first system."""
    from rich.table import Table

    table = Table(title=_title("comparison", files[0].label), title_justify="left")
    table.add_column("metric", no_wrap=True)
    for file in files:
        table.add_column(file.name, justify="right")
    for name in [name for name in CATALOGUE if any(name in file.scores.found for file in files)]:
        best = best_system(name, files)
        cells = [_cell(name, files[0], file, place == best) for place, file in enumerate(files)]
        table.add_row(_heading(name), *cells)
    return table


def _cell(name: str, first: ScoreFile, file: ScoreFile, best: bool) -> str:
    score = file.scores.found.get(name)
    if score is None:
        return "-"
    text = f"[bold]{score.value:.4g}[/bold]" if best else f"{score.value:.4g}"
    if score.interval() is not None:
        text += f" {_interval(name, score)}"
    own = first.scores.found.get(name)
    difference = None if file is first or own is None else paired_difference(own, score)
    return text if difference is None else f"{text} p={difference.p_value:.3f}"


def _interval(name: str, score: Score) -> str:
    interval = score.interval(CATALOGUE[name].floor)
    # A bracket would be taken for markup.
    return "-" if interval is None else f"({interval[0]:.4g}, {interval[1]:.4g})"


def _heading(name: str) -> str:
    return f"{CATALOGUE[name].title} {ARROWS[CATALOGUE[name].better]}"


def _title(text: str, label: str) -> str:
    return f"{text} ({label})" if label else text
