"""The paper's Table 1: rows measured here, rows as published, and any folder of sounds."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from v2a_lightning.errors import UsageError
from v2a_lightning.media import read_wave
from v2a_lightning.studies.conduct import Context, Figure, Finding
from v2a_lightning.studies.figures import draw_intervals, new_figure, save_figure
from v2a_lightning.studies.keeping import kept
from v2a_lightning.studies.measures import measure
from v2a_lightning.studies.opening import Opened, open_run
from v2a_lightning.studies.plan import Run
from v2a_lightning.studies.records import Record
from v2a_lightning.studies.statistics import Summary, summarise
from v2a_lightning.studies.summary import heard, summary_of
from v2a_lightning.studies.tables import Cell, Table

TIMED = 8
"""Clips that are timed, one after the other."""
TINY_TIMED = 2
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


def analyse(context: Context) -> list[Finding]:
    """The table, and a figure of the rows measured here."""
    measured = {variant.name: _measured(context, variant.name) for variant in context.study.variants}
    trainings = context.trainings()
    rows: list[Sequence[Cell]] = []
    if trainings:
        rows.append(_reference_row(trainings[0], context))
    rows += [[name, *cells, _source(context)] for name, cells in measured.items()]
    if trainings:
        folders = context.options.folders.items()
        rows += [_folder_row(trainings[0], context, name, Path(place)) for name, place in folders]
    rows += [[*row, UNKNOWN] for row in PUBLISHED]
    table = Table(
        name="table",
        caption=f"{context.study.title} ({context.about}). Mean ± standard deviation [95 % interval] over seeds."
        f"{heard(context.records)} Seconds: from frame embeddings to sound, over {_timed(context)} clips in turn. "
        "Published rows were measured with other extractors, clips and machines: not to be compared with the others.",
        columns=COLUMNS,
        rows=rows,
        notes=context.failures(),
    )
    figure = _draw(context, measured)
    return [table, figure] if figure is not None else [table]


def _source(context: Context) -> str:
    return f"measured here ({context.about})"


def _measured(context: Context, variant: str) -> list[Cell]:
    """FD, FAD, CS, CS of still pictures, seconds, millions of trainable parameters."""
    records, stills = context.evaluations(variant, "test"), context.evaluations(variant, "stills")
    trainings = context.trainings(variant)
    scores = [_score_cell(records, metric) for metric in METRICS]
    cost = _cost(trainings[0], _timed(context)) if trainings else {}
    seconds = summarise(cost["seconds"]) if cost else None
    return [*scores, _score_cell(stills, "cs"), seconds, f"{cost['parameters'] / 1e6:.2f}" if cost else None]


def _timed(context: Context) -> int:
    return TINY_TIMED if context.options.size == "tiny" else TIMED


def _score_cell(records: Sequence[Record], metric: str) -> Cell:
    return summary_of(records, metric) or ("failed" if records else None)


def _cost(run: Run, clips: int) -> dict[str, Any]:
    """Seconds from frame embeddings to sound, clip by clip, and trainable parameters."""
    return dict(kept(run.folder / "cost.json", lambda: _measure_cost(open_run(run), clips), {"clips": clips}))


def _measure_cost(opened: Opened, clips: int) -> dict[str, Any]:
    batch = next(opened.batches("test"))
    count = min(clips, len(batch["clip_id"]))
    rows = [{key: value[row : row + 1] for key, value in batch.items()} for row in range(count)]
    # The first one loads the weights.
    seconds = [_seconds(opened, row) for row in [rows[0], *rows]][1:]
    parameters = sum(one.numel() for one in opened.mapper.parameters() if one.requires_grad)
    return {"seconds": seconds, "parameters": parameters}


def _seconds(opened: Opened, batch: Mapping[str, Any]) -> float:
    began = time.perf_counter()
    opened.audioldm.generate(opened.sample(dict(batch)), seconds=opened.seconds, seeds=[0])
    return time.perf_counter() - began


def _reference_row(run: Run, context: Context) -> list[Cell]:
    """The CLIP-score of the clips' own sounds."""
    found = kept(run.folder / "reference.json", lambda: _true_sounds(open_run(run)))
    return ["Reference", "0", "0", f"{found['cs']:.3f}", None, None, None, f"measured here ({context.label})"]


def _true_sounds(opened: Opened) -> dict[str, float]:
    waves = {clip_id: opened.data.reference_wave(clip_id) for clip_id, _ in _tested(opened)}
    return _score(opened, waves, opened.data.audio.sample_rate)


def _tested(opened: Opened) -> list[tuple[str, torch.Tensor]]:
    """The test clips that are made into sound when a run is tested, and their frames."""
    from v2a_lightning.callbacks.clip_selection import Selection, mapped_clips

    selection = Selection(opened.evaluation.test_clips, opened.evaluation.seed)
    for batch in opened.batches("test"):
        nothing = {"clip_id": batch["clip_id"], "embedding": torch.zeros(len(batch["clip_id"]), 1)}
        selection.add(mapped_clips(batch, nothing))
    return [(clip.clip_id, clip.frames) for clip in selection.everywhere()]


def _score(opened: Opened, waves: Mapping[str, Any], sample_rate: int) -> dict[str, float]:
    seen = dict(_tested(opened))
    names = [name for name in waves if name in seen]
    opened.suite.reset()
    opened.suite.update(
        names,
        [waves[name] for name in names],
        sample_rate,
        [opened.data.reference_wave(name) for name in names],
        [seen[name] for name in names],
        reference_rate=opened.data.audio.sample_rate,
    )
    return opened.suite.compute()


def _folder_row(run: Run, context: Context, name: str, folder: Path) -> list[Cell]:
    """Another system's sounds of the test clips, heard with the same ears.

    Raises:
        UsageError: when the folder is not there, or has no sound of a test clip.
    """
    if not folder.is_dir():
        raise UsageError(f"--folders {name}: there is no folder {folder}")
    opened = open_run(run)
    files = {path.stem: path for path in sorted(folder.iterdir()) if path.is_file()}
    found = [clip_id for clip_id, _ in _tested(opened) if clip_id in files]
    if len(found) < 2:
        raise UsageError(f"--folders {name}: {folder} has sounds of {len(found)} of the test clips; two are needed")
    waves = {clip_id: read_wave(files[clip_id]) for clip_id in found}
    if len(rates := {rate for _, rate in waves.values()}) > 1:
        raise UsageError(f"--folders {name}: {folder} has sounds of several sample rates: {sorted(rates)}")
    scores = _score(opened, {clip_id: wave for clip_id, (wave, _) in waves.items()}, rates.pop())
    cells = [f"{scores[metric]:.3f}" if metric in scores else None for metric in METRICS]
    return [name, *cells, None, None, None, f"{len(found)} sounds of {folder}, measured here ({context.label})"]


def _draw(context: Context, measured: Mapping[str, Sequence[Cell]]) -> Figure | None:
    figure, panels = new_figure(len(METRICS), 0.9 + 0.3 * len(measured))
    for place, (panel, metric) in enumerate(zip(panels, METRICS, strict=True)):
        summaries = {name: cell for name, cells in measured.items() if isinstance(cell := cells[place], Summary)}
        if not summaries:
            return None
        draw_intervals(panel, list(measured), summaries)
        panel.set_title(measure(metric).heading, loc="left", fontsize=10)
        if place:
            panel.set_yticklabels([])
    path = context.folder / "figure.png"
    save_figure(figure, path)
    return Figure(path, f"{context.study.title}, rows measured here ({context.about})")
