"""What stands at the end of a run in the terminal: its scores, what it wrote, and the next command."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from lightning.pytorch import Trainer
from rich.table import Table

from v2a_lightning.app.loggers import best_checkpoint
from v2a_lightning.app.messages import PROGRAM, print_table
from v2a_lightning.reports.measures import MEASURES, measure
from v2a_lightning.runs import CHECKPOINTS, EMBEDDINGS, LAST

STAGES = {"fit": ("val", "validation, last epoch"), "validate": ("val", "validation"), "test": ("test", "test")}


def conclude(command: str, trainer: Trainer, folder: Path | None, checkpoint: str | None) -> None:
    """Print a run's ending, in the first of its processes.

    Args:
        command: fit, validate, test or predict.
        trainer: that ran it.
        folder: of the run; None when it wrote nothing.
        checkpoint: whose weights were used.
    """
    if not trainer.is_global_zero:
        return
    stage, title = STAGES.get(command, ("", ""))
    values = {name: float(value) for name, value in trainer.callback_metrics.items()}
    scores = {name.partition("/")[2]: value for name, value in values.items() if name.startswith(f"{stage}/")}
    if stage and scores:
        print_table(score_table(title, scores))
    if folder is None:
        return
    print(*(f"{what}: {path}" for what, path in _written(folder) if path.exists()), sep="\n")
    print(f"next: {_next(command, folder, best_checkpoint(trainer) if command == 'fit' else checkpoint)}")


def score_table(title: str, scores: Mapping[str, float]) -> Table:
    """Scores by their titles, those of the catalogue first."""
    table = Table(title=title, title_justify="left")
    table.add_column("score")
    table.add_column("value", justify="right")
    known = list(MEASURES)
    for name in sorted(scores, key=lambda one: (known.index(one) if one in known else len(known), one)):
        table.add_row(measure(name).heading, f"{scores[name]:.4g}")
    return table


def _written(folder: Path) -> Iterator[tuple[str, Path]]:
    yield "run", folder
    yield "page", folder / "report.html"
    yield "checkpoint", folder / CHECKPOINTS / LAST
    yield "embeddings", folder / EMBEDDINGS


def _next(command: str, folder: Path, checkpoint: str | None) -> str:
    options = folder / "audio" / "test" / "evaluate.yaml"
    if command == "test" and options.is_file():
        return f"{PROGRAM} evaluate --config {options}   (with 95 % intervals and cards)"
    if checkpoint is None:
        return f"{PROGRAM} fit --config {folder / 'config.yaml'}"
    if command == "fit":
        return f"{PROGRAM} generate PICTURE_OR_VIDEO --checkpoint {checkpoint}"
    return f"{PROGRAM} test --config {folder / 'config.yaml'} --ckpt_path {checkpoint}"
