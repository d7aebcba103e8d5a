"""How samplers and numbers of steps trade quality for time, measured on trained mappers."""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from v2a_lightning.distances import compare_embeddings
from v2a_lightning.reports.charts import draw_curve, log_axis, new_panels
from v2a_lightning.reports.measures import measure
from v2a_lightning.reports.tables import Table
from v2a_lightning.studies.plan import Run
from v2a_lightning.studies.run import Attachment, Finding, StudyRuns
from v2a_lightning.studies.statistics import Summary, summarise
from v2a_lightning.studies.tables import OVER_SEEDS
from v2a_lightning.studies.trained_runs import TrainedRun, cached_json, open_run

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


def measure_steps(study_runs: StudyRuns) -> list[Finding]:
    """A row for each T, sampler and number of steps; curves of quality and time over steps."""
    steps = TINY_STEPS if study_runs.options.size == "tiny" else STEPS
    found: dict[Place, list[Mapping[str, float]]] = {}
    for run in study_runs.trainings():
        settings = {"steps": steps, "samplers": SAMPLERS}
        measured = cached_json(run.folder / "steps.json", partial(_measure, run, steps), settings)
        for name, scores in measured.items():
            sampler, _, count = name.rpartition(" ")
            found.setdefault((run.variant, sampler, int(count)), []).append(scores)
    summaries = {
        place: {metric: summarise([one[metric] for one in found[place]]) for metric in METRICS}
        for place in sorted(found, key=lambda place: (len(place[0]), place[0], SAMPLERS.index(place[1]), place[2]))
    }
    table = Table(
        name="table",
        caption=f"{study_runs.study.title} ({study_runs.about}). {OVER_SEEDS} "
        "Time: of the mapper alone, all validation clips in one batch, on this machine.",
        columns=["Training", "Sampler", "Steps", *(measure(metric).heading for metric in METRICS)],
        rows=[[*map(str, place), *(one[metric] for metric in METRICS)] for place, one in summaries.items()],
        notes=study_runs.failure_notes(),
    )
    return [table, _draw(study_runs, summaries)] if summaries else [table]


def _measure(run: Run, steps: tuple[int, ...]) -> dict[str, dict[str, float]]:
    trained = open_run(run, [WHOLE])
    batch = next(trained.batches())
    # The first call is slower than all others.
    trained.sample(batch, steps=1)
    return {
        f"{sampler} {count}": _scores(trained, batch, sampler, count)
        for sampler in SAMPLERS
        for count in steps
        if count <= trained.mapper.objective.timesteps  # type: ignore[operator]
    }


def _scores(trained: TrainedRun, batch: dict[str, Any], sampler: str, steps: int) -> dict[str, float]:
    trained.mapper.objective.sampler = sampler  # type: ignore[assignment]
    began = time.perf_counter()
    embeddings = trained.sample(batch, steps=steps)
    seconds = time.perf_counter() - began
    scores = compare_embeddings(embeddings, batch["target"].flatten(1))
    return {**scores, "milliseconds": 1000 * seconds / len(embeddings)}


def _draw(study_runs: StudyRuns, summaries: Mapping[Place, Mapping[str, Summary]]) -> Attachment:
    figure, panels = new_panels(len(PANELS), 2.8)
    for panel, (metric, against) in zip(panels, PANELS, strict=True):
        for line in dict.fromkeys(place[:2] for place in summaries):
            own = {place[2]: one for place, one in summaries.items() if place[:2] == line}
            points = {
                float(steps) if against == STEPS_TAKEN else one[against].mean: one[metric].interval
                for steps, one in own.items()
            }
            style: Literal["-", "--"] = "-" if line[0] == study_runs.study.variants[-1].name else "--"
            draw_curve(panel, points, ", ".join(line), SAMPLERS.index(line[1]), style)
        log_axis(panel)
        panel.set_xlabel(against if against == STEPS_TAKEN else measure(against).title, fontsize=8)
        panel.set_title(measure(metric).heading, loc="left", fontsize=10)
    panels[0].legend(frameon=False, fontsize=6, handlelength=3.5)
    return study_runs.attach(figure, f"({study_runs.about}; bands: 95 % interval over seeds)")
