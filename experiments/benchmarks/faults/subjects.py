"""The commands that are made to fail: how each is started, started again, and what it makes."""

import json
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from processes import Command, run, start, warm
from results import Result, difference, embeddings, files, metrics, scores, weights

HERE = Path(__file__).parent
CLIPS = 25
CHECKPOINT = "mapper.ckpt"
# So many modules take a second to import.
MANY = 100
FIT = ["fit", "--config", "small.yaml"]


@dataclass(frozen=True)
class Subject:
    """A command.

    Args:
        name: in the table.
        arguments: what is typed, at the first time and again.
        needs: parts of the template folder that have to be there.
        result: what it made, from the folder it ran in.
        makes: the paths it writes to.
        compared: what of its result has to be equal.
    """

    name: str
    arguments: tuple[str, ...]
    needs: tuple[str, ...]
    makes: tuple[str, ...]
    result: Callable[[Path], Result]
    compared: str


def _run_result(folder: Path, run_folder: Path) -> Result:
    others = ("evaluation.json", "scores.json")
    found = metrics(run_folder / "metrics.csv") | files(run_folder / "audio", but=others, place=folder)
    for path in sorted((run_folder / "audio").rglob("scores.json")):
        found |= {f"{path.parent.name} {name}": value for name, value in scores(path).items() if "metrics" in name}
    return found


def _fit_result(folder: Path) -> Result:
    own = folder / "runs/small/fitted"
    return weights(own / "checkpoints/last.ckpt") | _run_result(folder, own)


def _study_result(folder: Path) -> Result:
    found = files(folder / "studies/study", but=("figure.png",), place=folder)
    for path in sorted((folder / "studies/runs").glob("*/checkpoints/last.ckpt")):
        found |= {f"{path.parent.parent.name} {name}": value for name, value in weights(path).items()}
    return found


def _manifest_result(folder: Path) -> Result:
    import pyarrow.parquet as pq

    rows = {f"row {row['clip_id']}": row for row in pq.read_table(folder / "made/manifest.parquet").to_pylist()}
    return rows | files(folder / "made", but=("manifest.parquet",))


def subjects(sounds: list[str]) -> dict[str, Subject]:
    """Every command; `sounds` are the videos that `generate` is given."""
    study = ("--size", "small", "--seeds", "1", "--workers", "1", "--output", "studies")
    test = ("test", "--config", "small.yaml", "--ckpt_path", CHECKPOINT, "--run.name", "tested")
    listed = [
        Subject("render", ("miniature", "render", "--clips", str(CLIPS), "--output", "made", "--workers", "2"),
                (), ("made",), lambda folder: files(folder / "made"), "every file, byte by byte"),
        Subject("manifest", ("manifest", "--csv", "world/vggsound.csv", "--media", "world/clips",
                             "--output", "made/manifest.parquet", "--workers", "1"),
                ("world",), ("made",), _manifest_result, "its rows, its page and the test ids"),
        Subject("embed", ("embed", "--config", "small.yaml", "--accelerator", "cpu"),
                ("world",), ("world/store",), lambda folder: embeddings(folder / "world/store"),
                "every row once, bit by bit"),
        Subject("fit", (*FIT, "--run.name", "fitted", "--ckpt_path", "last"), ("world", "store"), ("runs",),
                _fit_result, "weights, average, optimiser and sounds bit by bit; the rows of metrics.csv"),
        Subject("generate", ("generate", *sounds, "--checkpoint", CHECKPOINT, "--output", "made", "--steps", "1"),
                ("world", CHECKPOINT), ("made",), lambda folder: files(folder / "made"), "every file, byte by byte"),
        Subject("test", test, ("world", "store", CHECKPOINT), ("runs",),
                lambda folder: _run_result(folder, folder / "runs/small/tested"), "sounds bit by bit, and every score"),
        Subject("study", ("experiment", "study", *study), ("world", "store"), ("studies",), _study_result,
                "every run's weights and the tables"),
    ]  # fmt: skip
    return {one.name: one for one in listed}


@dataclass
class Bench:
    """Where everything happens.

    Args:
        folder: a folder for this run of the harness.
        subjects: the commands by their names.
        whole: what each makes when nothing disturbs it.
        seconds: how long that takes.
    """

    folder: Path
    subjects: dict[str, Subject]
    whole: dict[str, Result]
    seconds: dict[str, float]

    @property
    def template(self) -> Path:
        """The folder that attempts are copies of."""
        return self.folder / "template"

    def place(self, subject: Subject, name: str) -> Path:
        """A new folder in which a command finds what it needs."""
        place = self.folder / name
        shutil.rmtree(place, ignore_errors=True)
        return self.furnish(subject, place)

    def furnish(self, subject: Subject, place: Path) -> Path:
        """Put what a command needs into a folder."""
        (place / "experiments/ablations").mkdir(parents=True)
        shutil.copy(HERE / "small.yaml", place)
        shutil.copy(HERE / "study.yaml", place / "experiments/ablations")
        for one in subject.needs:
            if one == CHECKPOINT:
                shutil.copy2(self.template / one, place)
            elif one == "world":
                shutil.copytree(self.template / one, place / one, ignore=shutil.ignore_patterns("store"))
            else:
                shutil.copytree(self.template / "world/store", place / "world/store")
        return place

    def start(self, subject: Subject, place: Path, **options: object) -> Command:
        """Start a command in its folder."""
        return start(subject.arguments, place, **{"log": log_of(place), **options})  # type: ignore[arg-type]

    def finish(self, subject: Subject, place: Path, *, times: int = 1) -> str:
        """Start a command until it is done, so many times at most; what is wrong then, empty for nothing."""
        for _ in range(times):
            command = run(subject.arguments, place, log_of(place))
            left = command.left_running()
            if command.code == 0:
                lost = self.compare(subject, place)
                return lost or (f"left running: {left[0][:60]}" if left else "")
        errors = command.errors()
        return f"started again: exit code {command.code}, {errors[-1][7:127] if errors else 'no line'}"

    def compare(self, subject: Subject, place: Path) -> str:
        """How a result differs from that of an undisturbed run."""
        try:
            return difference(self.whole[subject.name], subject.result(place))
        except Exception as error:
            return f"unreadable result: {type(error).__name__}: {str(error)[:80]}"


def log_of(place: Path) -> Path:
    """Beside the folder, which may have no room."""
    return place.with_name(f"{place.name}.log")


def prepared(folder: Path, wanted: list[str]) -> Bench:
    """Make the template, and run every wanted command once undisturbed.

    Raises:
        RuntimeError: when a command fails by itself.
    """
    template = folder / "template"
    template.mkdir(parents=True)
    shutil.copy(HERE / "small.yaml", template)
    _must(["miniature", "render", "--clips", str(CLIPS), "--output", "world", "--workers", "2"], template)
    every = subjects([])
    needs = {need for name in wanted for need in every[name].needs}
    if needs & {"store", CHECKPOINT}:
        _must(["embed", "--config", "small.yaml", "--accelerator", "cpu"], template)
    if CHECKPOINT in needs:
        _must([*FIT, "--run.name", "fitted", "--trainer.max_epochs", "1"], template)
        shutil.move(template / "runs/small/fitted/checkpoints/last.ckpt", template / CHECKPOINT)
        shutil.rmtree(template / "runs")
    videos = sorted((template / "world/clips").glob("*.mp4"))[:4]
    bench = Bench(folder, subjects([str(video.relative_to(template)) for video in videos]), {}, {})
    for name in wanted:
        subject = bench.subjects[name]
        for _ in range(2):
            place = bench.place(subject, f"whole-{name}")
            began = time.monotonic()
            imported = _must(list(subject.arguments), place)
            bench.seconds[name] = time.monotonic() - began
            # A run that had to import much is no measure of how long one takes.
            if imported < MANY:
                break
        bench.whole[name] = subject.result(place)
        shutil.rmtree(place)
    return bench


def _must(arguments: list[str], place: Path) -> int:
    """Run a command that has to work; gives how many modules it had to import, which are imported here as well."""
    modules = place.with_suffix(".modules")
    command = run(arguments, place, log_of(place), modules=modules)
    if command.code != 0:
        raise RuntimeError(f"{' '.join(arguments)}: exit code {command.code}: {command.log.read_text()[-2000:]}")
    names = [name for name in json.loads(modules.read_text()) if name not in sys.modules]
    warm(names)
    command.left_running()
    return len(names)
