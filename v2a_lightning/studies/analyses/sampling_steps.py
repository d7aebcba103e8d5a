"""How samplers and numbers of steps trade quality for time, measured on trained mappers."""

import time
from collections.abc import Mapping
from typing import Any, Literal

from v2a_lightning.distances import compare_embeddings
from v2a_lightning.reports.charts import draw_curve, log_axis, new_panels
from v2a_lightning.reports.measures import measure
from v2a_lightning.studies.run import StudyRuns
from v2a_lightning.studies.statistics import Summary, summarise
from v2a_lightning.studies.tables import OVER_SEEDS
from v2a_lightning.studies.trained_runs import TrainedRun
from v2a_lightning.studies.write import Attachment, Finding

SAMPLERS = ("ddpm", "ddim", "dpm++")
STEPS, TINY_STEPS = (2, 5, 10, 20, 50, 100), (1, 2)
METRICS = ("embedding_fd", "cosine", "recall@10", "milliseconds")
STEPS_TAKEN = "sampling steps"
# What is drawn over what; the last two are the trade itself.
PANELS = [(metric, against) for against in (STEPS_TAKEN, "milliseconds") for metric in ("embedding_fd", "cosine")]
# Every sampler is timed on the same batch, of all validation clips.
WHOLE = "--data.init_args.batch_size=16384"

Place = tuple[str, str, int]


def measure_steps(study_runs: StudyRuns) -> list[Finding]:
    """A row for each T, sampler and number of steps; curves of quality and time over steps."""
    steps = study_runs.sized(STEPS, TINY_STEPS)
    found: dict[Place, list[Mapping[str, float]]] = {}
    settings = {"steps": steps, "samplers": SAMPLERS}
    for run in study_runs.trainings():
        measured = study_runs.cached(run, "steps", lambda run: _measure(study_runs.open(run, [WHOLE]), steps), settings)
        for name, scores in measured.items():
            sampler, _, count = name.rpartition(" ")
            found.setdefault((run.variant, sampler, int(count)), []).append(scores)
    summaries = {
        place: {metric: summarise([one[metric] for one in found[place]]) for metric in METRICS}
        for place in sorted(found, key=lambda place: (len(place[0]), place[0], SAMPLERS.index(place[1]), place[2]))
    }
    table = study_runs.table(
        f"{study_runs.study.title} ({study_runs.about}). {OVER_SEEDS} "
        "Time: of the mapper alone, all validation clips in one batch, on this machine.",
        ["Training", "Sampler", "Steps", *(measure(metric).heading for metric in METRICS)],
        [[*map(str, place), *one.values()] for place, one in summaries.items()],
    )
    return [table, _draw(study_runs, summaries)] if summaries else [table]


def _measure(trained: TrainedRun, steps: tuple[int, ...]) -> dict[str, dict[str, float]]:
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
            points = {
                float(place[2]) if against == STEPS_TAKEN else one[against].value: one[metric]
                for place, one in summaries.items()
                if place[:2] == line
            }
            style: Literal["-", "--"] = "-" if line[0] == study_runs.study.variants[-1].name else "--"
            draw_curve(panel, points, ", ".join(line), SAMPLERS.index(line[1]), style)
        log_axis(panel)
        panel.set_xlabel(against if against == STEPS_TAKEN else measure(against).title, fontsize=8)
        panel.set_title(measure(metric).heading, loc="left", fontsize=10)
    panels[0].legend(frameon=False, fontsize=6, handlelength=3.5)
    return study_runs.attach(figure, f"({study_runs.about}; bands: 95 % interval over seeds)")
