"""How long commands take that have little to do, and the quickstart from an empty folder."""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from statistics import median

from experiments.benchmarks.speed.measuring import PROJECT, Row, Usage, measured_process

QUICKSTART = str(PROJECT / "experiments" / "quickstart.yaml")
ROUNDS = 3
SMALL = ("--data.clips=28", "--data.batch_size=8", "--data.splits.validation_clips=4", "--data.splits.passes=1")
SHORT = ("--evaluation.clips=4", "--evaluation.generator.steps=1", "--trainer.max_epochs=1")


def rows(quick: bool) -> Iterator[Row]:
    """Processor time of each command, whole processes, and the quickstart on the clock."""
    rounds = 1 if quick else ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        embed = ["embed", "--config", QUICKSTART, "--accelerator=cpu", "--devices=1"]
        embed += ["--set", f"data.root={folder}/world", "data.clips=28"]
        for what, arguments, goal in (
            ("`fit --help`", ["fit", "--help"], 3.0),
            ("`fit` with a mistyped key", ["fit", "--config", QUICKSTART, "--data.batch_sise=3"], 5.0),
            ("`generate` with a file that is missing", ["generate", f"{folder}/nothing.jpg"], 5.0),
            ("`embed` on a finished store", embed, 5.0),
        ):
            if arguments is embed:
                run(embed)
            times = [run(arguments).cpu for _ in range(rounds)]
            yield _row(what, times, goal, "processor time of the whole process")
        fit = ["fit", "--config", QUICKSTART, f"--data.root={folder}/new", f"--run.root={folder}/runs"]
        usage = run([*fit, "--run.wandb=offline", *(SMALL + SHORT if quick else ())])
        note = f"rendering included, on the clock; {usage.cpu:.0f} s of processors"
        yield _row("quickstart", [usage.wall], 150.0, note)


def run(arguments: Sequence[str]) -> Usage:
    """A command of the project; what is measured here may end with a message about a mistake."""
    return measured_process([sys.executable, "-m", "v2a_lightning", *arguments], check=False)


def _row(what: str, times: Sequence[float], goal: float | None, note: str) -> Row:
    return Row(what, "", median(times), "s", goal, "lower", len(times), (min(times), max(times)), note)
