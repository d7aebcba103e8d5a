"""The paper's Table 1: rows measured here, rows as published, and any folder of sounds."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from v2a_lightning.callbacks.clip_selection import Selection, mapped_clips
from v2a_lightning.errors import UsageError
from v2a_lightning.media import read_waveform
from v2a_lightning.reports.charts import draw_intervals, new_panels
from v2a_lightning.reports.measures import measure
from v2a_lightning.reports.tables import Cell, Table
from v2a_lightning.studies.plan import Run
from v2a_lightning.studies.records import about_sounds
from v2a_lightning.studies.run import Attachment, Finding, StudyRuns
from v2a_lightning.studies.statistics import Summary, summarise
from v2a_lightning.studies.tables import OVER_SEEDS, score_cell
from v2a_lightning.studies.trained_runs import TrainedRun, cached_json, open_run

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
    timed = TINY_TIMED if study_runs.options.size == "tiny" else TIMED
    measured = {variant.name: _measured(study_runs, variant.name, timed) for variant in study_runs.study.variants}
    rows: list[Sequence[Cell]] = [[name, *cells, _source(study_runs)] for name, cells in measured.items()]
    if trainings := study_runs.trainings():
        rows.insert(0, _reference_row(trainings[0], study_runs))
        folders = study_runs.options.folders.items()
        rows += [_folder_row(trainings[0], study_runs, name, Path(folder)) for name, folder in folders]
    rows += [[*row, UNKNOWN] for row in PUBLISHED]
    table = Table(
        name="table",
        caption=f"{study_runs.study.title} ({study_runs.about}). {OVER_SEEDS}"
        f"{about_sounds(study_runs.records)} Seconds: from frame embeddings to sound, over {timed} clips in turn. "
        "Published rows were measured with other extractors, clips and machines: not to be compared with the others.",
        columns=COLUMNS,
        rows=rows,
        notes=study_runs.failure_notes(),
    )
    figure = _draw(study_runs, measured)
    return [table, figure] if figure is not None else [table]


def _source(study_runs: StudyRuns) -> str:
    return f"measured here ({study_runs.about})"


def _measured(study_runs: StudyRuns, variant: str, timed: int) -> list[Cell]:
    """FD, FAD, CS, CS of still pictures, seconds, millions of trainable parameters."""
    records, stills = study_runs.evaluations(variant, "test"), study_runs.evaluations(variant, "stills")
    scores = [*(score_cell(records, metric) for metric in METRICS), score_cell(stills, "cs")]
    trainings = study_runs.trainings(variant)
    if not trainings:
        return [*scores, None, None]
    run = trainings[0]
    cost = cached_json(run.folder / "cost.json", lambda: _cost(open_run(run), timed), {"clips": timed})
    return [*scores, summarise(cost["seconds"]), f"{cost['parameters'] / 1e6:.2f}"]


def _cost(trained: TrainedRun, clips: int) -> dict[str, Any]:
    """Seconds from frame embeddings to sound, clip by clip, and trainable parameters."""
    batch = next(trained.batches("test"))
    count = min(clips, len(batch["clip_id"]))
    rows = [{key: value[row : row + 1] for key, value in batch.items()} for row in range(count)]
    # The first one loads the weights.
    seconds = [_seconds(trained, row) for row in [rows[0], *rows]][1:]
    parameters = sum(one.numel() for one in trained.mapper.parameters() if one.requires_grad)
    return {"seconds": seconds, "parameters": parameters}


def _seconds(trained: TrainedRun, batch: dict[str, Any]) -> float:
    began = time.perf_counter()
    trained.generate(trained.sample(batch), [0])
    return time.perf_counter() - began


def _reference_row(run: Run, study_runs: StudyRuns) -> list[Cell]:
    """The CLIP-score of the clips' own sounds."""
    found = cached_json(run.folder / "reference.json", lambda: _reference_scores(open_run(run)))
    return ["Reference", "0", "0", f"{found['cs']:.3f}", None, None, None, f"measured here ({study_runs.label})"]


def _reference_scores(trained: TrainedRun) -> dict[str, float]:
    tested = _tested(trained)
    waveforms = {clip_id: trained.data.reference_waveform(clip_id) for clip_id in tested}
    return _score(trained, tested, waveforms, trained.data.audio.sample_rate)


def _tested(trained: TrainedRun) -> dict[str, torch.Tensor]:
    """The frames of the test clips that are made into sound when a run is tested, by clip id."""
    selection = Selection(trained.evaluation.test_clips, trained.evaluation.seed)
    for batch in trained.batches("test"):
        nothing = {"clip_id": batch["clip_id"], "embedding": torch.zeros(len(batch["clip_id"]), 1)}
        selection.add(mapped_clips(batch, nothing))
    return {clip.clip_id: clip.frames for clip in selection.gather()}


def _score(
    trained: TrainedRun, tested: Mapping[str, torch.Tensor], waveforms: Mapping[str, Any], sample_rate: int
) -> dict[str, float]:
    trained.suite.reset()
    for name, waveform in waveforms.items():
        reference = trained.data.reference_waveform(name), trained.data.audio.sample_rate
        trained.suite.add(name, (waveform, sample_rate), reference, tested[name])
    return trained.suite.compute()


def _folder_row(run: Run, study_runs: StudyRuns, name: str, folder: Path) -> list[Cell]:
    """Another system's sounds of the test clips, scored by the same extractors.

    Raises:
        UsageError: when the folder is not there, or has no sound of a test clip.
    """
    if not folder.is_dir():
        raise UsageError(f"--folders {name}: there is no folder {folder}")
    trained = open_run(run)
    tested = _tested(trained)
    files = {path.stem: path for path in sorted(folder.iterdir()) if path.is_file()}
    sounds = {clip_id: read_waveform(files[clip_id]) for clip_id in tested if clip_id in files}
    if len(sounds) < 2:
        raise UsageError(f"--folders {name}: {folder} has sounds of {len(sounds)} of the test clips; two are needed")
    if len(rates := {rate for _, rate in sounds.values()}) > 1:
        raise UsageError(f"--folders {name}: {folder} has sounds of several sample rates: {sorted(rates)}")
    scores = _score(trained, tested, {clip_id: waveform for clip_id, (waveform, _) in sounds.items()}, rates.pop())
    cells = [f"{scores[metric]:.3f}" if metric in scores else None for metric in METRICS]
    return [name, *cells, None, None, None, f"{len(sounds)} sounds of {folder}, measured here ({study_runs.label})"]


def _draw(study_runs: StudyRuns, measured: Mapping[str, Sequence[Cell]]) -> Attachment | None:
    figure, panels = new_panels(len(METRICS), 0.9 + 0.3 * len(measured))
    for place, (panel, metric) in enumerate(zip(panels, METRICS, strict=True)):
        cells = {name: cells[place] for name, cells in measured.items()}
        intervals = {name: one.interval if isinstance(one, Summary) else None for name, one in cells.items()}
        if not any(intervals.values()):
            return None
        draw_intervals(panel, intervals)
        panel.set_title(measure(metric).heading, loc="left", fontsize=10)
        if place:
            panel.set_yticklabels([])
    return study_runs.attach(figure, f"{study_runs.study.title}, rows measured here ({study_runs.about})")
