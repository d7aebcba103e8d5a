"""How samplers and numbers of steps trade quality for time, asked of trained mappers."""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from v2a_lightning.experiments.conduct import Context, Figure, Finding
from v2a_lightning.experiments.figures import draw_curve, new_figure, save_figure
from v2a_lightning.experiments.keeping import kept
from v2a_lightning.experiments.measures import measure
from v2a_lightning.experiments.opening import Opened, open_run
from v2a_lightning.experiments.plan import Run
from v2a_lightning.experiments.statistics import Summary, summarise
from v2a_lightning.experiments.tables import Table
from v2a_lightning.metrics.embeddings import EmbeddingMetrics

SAMPLERS = ("ddpm", "ddim", "dpm++")
STEPS = (2, 5, 10, 20, 50, 100)
TINY_STEPS = (1, 2)
METRICS = ("embedding_fd", "cosine", "recall@10", "milliseconds")
# Every sampler is timed on the same batch, of all validation clips.
WHOLE = "--data.init_args.batch_size=16384"

Place = tuple[str, str, int]


def analyse(context: Context) -> list[Finding]:
    """A row for each T, sampler and number of steps; curves of quality and time over steps."""
    steps = TINY_STEPS if context.options.size == "tiny" else STEPS
    found: dict[Place, list[Mapping[str, float]]] = {}
    for run in context.trainings():
        for name, scores in kept(run.folder / "steps.json", partial(_measure, run, steps)).items():
            sampler, _, count = name.rpartition(" ")
            found.setdefault((run.variant, sampler, int(count)), []).append(scores)
    summaries = {
        place: {metric: summarise([one[metric] for one in scores]) for metric in METRICS}
        for place, scores in sorted(found.items(), key=lambda item: _order(item[0]))
    }
    findings: list[Finding] = [_table(context, summaries)]
    if summaries:
        findings.append(_draw(context, summaries))
    return findings


def _measure(run: Run, steps: tuple[int, ...]) -> dict[str, dict[str, float]]:
    opened = open_run(run, [WHOLE])
    batch = next(opened.batches())
    return {
        f"{sampler} {count}": _scores(opened, batch, sampler, count)
        for sampler in SAMPLERS
        for count in steps
        if count <= opened.mapper.objective.timesteps  # type: ignore[operator]
    }


def _scores(opened: Opened, batch: dict[str, Any], sampler: str, steps: int) -> dict[str, float]:
    opened.mapper.objective.sampler = sampler  # type: ignore[assignment]
    began = time.perf_counter()
    embeddings = opened.sample(batch, steps=steps)
    seconds = time.perf_counter() - began
    metrics = EmbeddingMetrics(embeddings.shape[1])
    metrics.update(embeddings, batch["audio"])
    return {**metrics.compute(), "milliseconds": 1000 * seconds / len(embeddings)}


def _order(place: Place) -> tuple[int, str, int, int]:
    variant, sampler, steps = place
    return len(variant), variant, SAMPLERS.index(sampler), steps


def _table(context: Context, summaries: Mapping[Place, Mapping[str, Summary]]) -> Table:
    return Table(
        name="table",
        caption=f"{context.study.title} ({context.about}). Mean ± standard deviation [95 % interval] over seeds.",
        columns=["Training", "Sampler", "Steps", *(measure(metric).heading for metric in METRICS)],
        rows=[[*map(str, place), *(one[metric] for metric in METRICS)] for place, one in summaries.items()],
        notes=context.failures(),
    )


def _draw(context: Context, summaries: Mapping[Place, Mapping[str, Summary]]) -> Figure:
    figure, panels = new_figure(len(METRICS), 2.8)
    lines = list(dict.fromkeys(place[:2] for place in summaries))
    for panel, metric in zip(panels, METRICS, strict=True):
        for index, line in enumerate(lines):
            points = [(float(place[2]), one[metric]) for place, one in summaries.items() if place[:2] == line]
            draw_curve(panel, points, ", ".join(line), index)
        panel.set_xscale("log")
        panel.set_xlabel("sampling steps", fontsize=8)
        panel.set_title(measure(metric).heading, loc="left", fontsize=10)
    panels[0].legend(frameon=False, fontsize=6)
    path = context.folder / "figure.png"
    save_figure(figure, path)
    return Figure(path, context.study.title)
