"""The paper's Table 1: rows measured here, rows as published, and any folder of sounds."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from v2a_lightning.errors import UsageError
from v2a_lightning.reports.charts import draw_intervals, new_panels
from v2a_lightning.reports.measures import measure
from v2a_lightning.reports.tables import Cell, Figure
from v2a_lightning.studies.plan import Run
from v2a_lightning.studies.records import about_sounds
from v2a_lightning.studies.run import StudyRuns
from v2a_lightning.studies.statistics import Summary, summarise
from v2a_lightning.studies.tables import OVER_SEEDS, score_cell
from v2a_lightning.studies.trained_runs import TrainedRun
from v2a_lightning.studies.write import Finding

TIMED, TINY_TIMED = 8, 2
"""Clips that are timed, one after the other."""
METRICS = ("fd", "fad", "cs")
COLUMNS = (
    "System", *(measure(metric).heading for metric in METRICS),
    "CS, still pictures ↑", "Seconds a clip ↓", "Trainable, M ↓", "Source",
)  # fmt: skip
# FD, FAD and CS on VGGSound's test clips, CS on ImageHear, seconds, trainable parameters: as printed in the paper.
PUBLISHED = (
    ("Reference", "0", "0", "8.925", None, None, None),
    ("Im2Wav", "51.500", "6.005", "7.827", "9.843", "864.12", "360.40"),
    ("CLIPSonic-IQ", "27.124", "3.495", "7.251", "11.392", "53.94", "142.58"),
    ("V2A-Mapper", "24.168", "0.841", "9.720", "11.950", "35.45", "48.83"),
)
UNKNOWN = "published (VGGSound); cards unknown"


def compare_systems(study_runs: StudyRuns) -> list[Finding]:
    """The table, and a figure of the rows measured here."""
    timed = study_runs.sized(TIMED, TINY_TIMED)
    measured = {variant.name: _measured(study_runs, variant.name, timed) for variant in study_runs.study.variants}
    source = f"measured here ({study_runs.about})"
    rows: list[Sequence[Cell]] = [[name, *cells, source] for name, cells in measured.items()]
    if trainings := study_runs.trainings():
        rows.insert(0, _reference_row(trainings[0], study_runs))
        folders = study_runs.options.folders.items()
        rows += [_folder_row(trainings[0], study_runs, name, Path(folder)) for name, folder in folders]
    rows += [[*row, UNKNOWN] for row in PUBLISHED]
    table = study_runs.table(
        f"{study_runs.study.title} ({study_runs.about}). {OVER_SEEDS}"
        f"{about_sounds(study_runs.records)} Seconds: from frame embeddings to sound, over {timed} clips in turn. "
        "Published rows were measured with other extractors, clips and machines: not to be compared with the others.",
        COLUMNS,
        rows,
    )
    return [table, *_draw(study_runs, measured)]


def _measured(study_runs: StudyRuns, variant: str, timed: int) -> list[Cell]:
    """FD, FAD, CS, CS of still pictures, seconds, millions of trainable parameters."""
    records, stills = study_runs.evaluations(variant, "test"), study_runs.evaluations(variant, "stills")
    scores = [*(score_cell(records, metric) for metric in METRICS), score_cell(stills, "cs")]
    trainings = study_runs.trainings(variant)
    if not trainings:
        return [*scores, None, None]
    run = trainings[0]
    cost = study_runs.cached(run, "cost", lambda run: _cost(study_runs.open(run), timed), {"clips": timed})
    return [*scores, summarise(cost["seconds"]), Figure(cost["parameters"] / 1e6, ".2f")]


def _cost(trained: TrainedRun, clips: int) -> dict[str, Any]:
    """Seconds from frame embeddings to sound, clip by clip, and trainable parameters."""
    batch = next(trained.batches("test"))
    rows = [_row(batch, row) for row in range(min(clips, len(batch["clip_id"])))]
    # The first one loads the weights.
    seconds = [_seconds(trained, row) for row in [rows[0], *rows]][1:]
    parameters = sum(one.numel() for one in trained.mapper.parameters() if one.requires_grad)
    return {"seconds": seconds, "parameters": parameters}


def _row(batch: Any, row: int) -> Any:
    """One clip of a batch, in which several encoders have their frames by name."""
    if isinstance(batch, dict):
        return {key: _row(value, row) for key, value in batch.items()}
    return batch[row : row + 1]


def _seconds(trained: TrainedRun, batch: dict[str, Any]) -> float:
    began = time.perf_counter()
    trained.generate(trained.sample(batch), [0])
    return time.perf_counter() - began


def _tested(trained: TrainedRun) -> dict[str, Path]:
    """The files of the test clips that are made into sound when a run is tested, by clip id."""
    chosen = list(trained.targets("test"))[: trained.evaluation.test_clips]
    return {clip_id: Path(trained.data.source(clip_id)) for clip_id in chosen}


def _reference_row(run: Run, study_runs: StudyRuns) -> list[Cell]:
    """The CLIP-score of the clips' own sounds."""

    def scores(run: Run) -> dict[str, float]:
        trained = study_runs.open(run)
        return trained.score(_tested(trained))

    cs = Figure(study_runs.cached(run, "reference", scores)["cs"], ".3f")
    return ["Reference", "0", "0", cs, None, None, None, f"measured here ({study_runs.label})"]


def _folder_row(run: Run, study_runs: StudyRuns, name: str, folder: Path) -> list[Cell]:
    """Another system's sounds of the test clips, scored by the same extractors.

    Raises:
        UsageError: when the folder is not there, or has no sound of a test clip.
    """
    if not folder.is_dir():
        raise UsageError(f"--folders {name}: there is no folder {folder}")
    trained = study_runs.open(run)
    files = {path.stem: path for path in sorted(folder.iterdir()) if path.is_file()}
    sounds = {clip_id: files[clip_id] for clip_id in _tested(trained) if clip_id in files}
    if len(sounds) < 2:
        raise UsageError(f"--folders {name}: {folder} has sounds of {len(sounds)} of the test clips; two are needed")
    scores = trained.score(sounds)
    cells = [Figure(scores[metric], ".3f") if metric in scores else None for metric in METRICS]
    return [name, *cells, None, None, None, f"{len(sounds)} sounds of {folder}, measured here ({study_runs.label})"]


def _draw(study_runs: StudyRuns, measured: dict[str, list[Cell]]) -> list[Finding]:
    """A panel for each metric, unless a metric is nowhere."""
    figure, panels = new_panels(len(METRICS), 0.9 + 0.3 * len(measured))
    for place, (panel, metric) in enumerate(zip(panels, METRICS, strict=True)):
        cells = {name: cells[place] for name, cells in measured.items()}
        intervals = {name: one if isinstance(one, Summary) else None for name, one in cells.items()}
        if not any(intervals.values()):
            return []
        draw_intervals(panel, intervals)
        panel.set_title(measure(metric).heading, loc="left", fontsize=10)
        if place:
            panel.set_yticklabels([])
    return [study_runs.attach(figure, f"{study_runs.study.title}, rows measured here ({study_runs.about})")]
