"""How samplers and numbers of steps trade quality for time, asked of trained mappers."""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from v2a_lightning.evaluation.embeddings import EmbeddingMetrics
from v2a_lightning.studies.conduct import Context, Figure, Finding
from v2a_lightning.studies.figures import draw_curve, log_axis, new_figure, save_figure
from v2a_lightning.studies.keeping import kept
from v2a_lightning.studies.measures import measure
from v2a_lightning.studies.opening import Opened, open_run
from v2a_lightning.studies.plan import Run
from v2a_lightning.studies.statistics import Summary, summarise
from v2a_lightning.studies.tables import Table

SAMPLERS = ("ddpm", "ddim", "dpm++")
STEPS = (2, 5, 10, 20, 50, 100)
TINY_STEPS = (1, 2)
METRICS = ("embedding_fd", "cosine", "recall@10", "milliseconds")
STEPS_TAKEN = "sampling steps"
# What is drawn over what; the last two are the trade itself.
PANELS = (
    ("embedding_fd", STEPS_TAKEN),
    ("cosine", STEPS_TAKEN),
    ("embedding_fd", "milliseconds"),
    ("cosine", "milliseconds"),
)
# Every sampler is timed on the same batch, of all validation clips.
WHOLE = "--data.init_args.batch_size=16384"

Place = tuple[str, str, int]


def analyse(context: Context) -> list[Finding]:
    """A row for each T, sampler and number of steps; curves of quality and time over steps."""
    steps = TINY_STEPS if context.options.size == "tiny" else STEPS
    found: dict[Place, list[Mapping[str, float]]] = {}
    for run in context.trainings():
        settings = {"steps": steps, "samplers": SAMPLERS}
        measured = kept(run.folder / "steps.json", partial(_measure, run, steps), settings)
        for name, scores in measured.items():
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
    # The first call is slower than all others.
    opened.sample(batch, steps=1)
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
    metrics.update(embeddings, batch["target"].flatten(1))
    return {**metrics.compute(), "milliseconds": 1000 * seconds / len(embeddings)}


def _order(place: Place) -> tuple[int, str, int, int]:
    variant, sampler, steps = place
    return len(variant), variant, SAMPLERS.index(sampler), steps


def _table(context: Context, summaries: Mapping[Place, Mapping[str, Summary]]) -> Table:
    return Table(
        name="table",
        caption=f"{context.study.title} ({context.about}). Mean ± standard deviation [95 % interval] over seeds. "
        "Time: of the mapper alone, all validation clips in one batch, on this machine.",
        columns=["Training", "Sampler", "Steps", *(measure(metric).heading for metric in METRICS)],
        rows=[[*map(str, place), *(one[metric] for metric in METRICS)] for place, one in summaries.items()],
        notes=context.failures(),
    )


def _draw(context: Context, summaries: Mapping[Place, Mapping[str, Summary]]) -> Figure:
    figure, panels = new_figure(len(PANELS), 2.8)
    lines = list(dict.fromkeys(place[:2] for place in summaries))
    for panel, (metric, against) in zip(panels, PANELS, strict=True):
        for line in lines:
            mine = {place[2]: one for place, one in summaries.items() if place[:2] == line}
            xs = {steps: float(steps) if against == STEPS_TAKEN else one[against].mean for steps, one in mine.items()}
            points = [(xs[steps], one[metric]) for steps, one in mine.items()]
            style: Literal["-", "--"] = "-" if line[0] == context.study.variants[-1].name else "--"
            draw_curve(panel, points, ", ".join(line), SAMPLERS.index(line[1]), style)
        log_axis(panel)
        panel.set_xlabel(against if against == STEPS_TAKEN else measure(against).title, fontsize=8)
        panel.set_title(measure(metric).heading, loc="left", fontsize=10)
    panels[0].legend(frameon=False, fontsize=6, handlelength=3.5)
    path = context.folder / "figure.png"
    save_figure(figure, path)
    return Figure(path, f"{context.study.title} ({context.about}; bands: 95 % interval over seeds)")
