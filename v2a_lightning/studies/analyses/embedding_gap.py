"""Where mapped embeddings lie between CLIP's and CLAP's, before training and after it: figures and a picture."""

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor

from v2a_lightning.mapper import AverageFrames
from v2a_lightning.reports.charts import COLOURS, new_panels
from v2a_lightning.reports.domain_gap import FOLDS, Embeddings, measure_gap, principal_axes, project
from v2a_lightning.reports.measures import measure
from v2a_lightning.reports.tables import Table
from v2a_lightning.studies.plan import Run
from v2a_lightning.studies.run import Attachment, Finding, StudyRuns
from v2a_lightning.studies.statistics import summarise
from v2a_lightning.studies.tables import OVER_SEEDS
from v2a_lightning.studies.trained_runs import cached_json, open_run

GAPS = ("centroid", "separability", "frechet")
CLIP, UNTRAINED, TRAINED, OTHERS = "CLIP", "mapped, before training", "mapped, after training", "CLAP of other clips"
SHOWN_SETS = (CLIP, UNTRAINED, TRAINED)
MOST_SHOWN = 400


def measure_embedding_gap(study_runs: StudyRuns) -> list[Finding]:
    """The gap of each set of embeddings to CLAP's, and both pictures of the first training."""
    found: dict[str, dict[int, Mapping[str, float]]] = {}
    trainings = study_runs.trainings()
    for run in trainings:
        for name, gap in cached_json(run.folder / "gap.json", partial(_gaps, run)).items():
            if name in (UNTRAINED, TRAINED):
                found.setdefault(f"{run.variant}: {name}", {})[run.seed] = gap
            else:
                # Of no mapper, so of no seed either.
                found.setdefault(name, {})[0] = gap
    table = Table(
        name="table",
        caption=f"Gap between each set of embeddings and CLAP's of the same clips ({study_runs.about}). {OVER_SEEDS} "
        "Separability is how often a linear classifier tells the two sets apart "
        f"on held-out clips: 0.5 is chance. “{OTHERS}” says how near a set can come.",
        columns=["Embeddings", *(measure(f"gap_{gap}").heading for gap in GAPS)],
        rows=[
            [name, *(summarise([one[gap] for one in found[name].values()]) for gap in GAPS)]
            for name in sorted(found, key=_place)
        ],
        notes=study_runs.failure_notes(),
    )
    return [table, _draw(study_runs, trainings[0])] if trainings else [table]


def _place(row: str) -> tuple[int, str]:
    """CLIP first, what is mapped in between, CLAP of other clips last."""
    return (0 if row == CLIP else 2 if row == OTHERS else 1, "" if row in (CLIP, OTHERS) else row.partition(":")[0])


def _gaps(run: Run) -> dict[str, dict[str, float]]:
    sets = _sets(run)
    target = sets.pop("CLAP")
    if len(target) < FOLDS:
        return {}
    return {name: asdict(measure_gap(one, target)) for name, one in sets.items() if one.shape[1] == target.shape[1]}


def _sets(run: Run) -> dict[str, Embeddings]:
    """(N, D) of the validation clips by where they are from, and CLAP's of as many test clips."""
    before, after = open_run(run, trained=False), open_run(run)
    parts: dict[str, list[Tensor]] = {CLIP: [], UNTRAINED: [], TRAINED: [], "CLAP": []}
    for batch in after.batches():
        parts[CLIP].append(AverageFrames()(batch["frames"], batch["frame_mask"], torch.Generator()))
        parts[UNTRAINED].append(after.sample(batch, before.mapper))
        parts[TRAINED].append(after.sample(batch))
        parts["CLAP"].append(batch["target"].flatten(1))
    sets = {name: torch.cat(one).numpy() for name, one in parts.items()}
    tested = torch.cat([batch["target"].flatten(1) for batch in after.batches("test")])
    others = np.asarray(tested)[: len(sets["CLAP"])]
    return {**sets, OTHERS: others} if len(others) >= FOLDS else sets


def _draw(study_runs: StudyRuns, run: Run) -> Attachment:
    """A row for each projection: CLIP, mapped before and after training, each beside CLAP, on the same axes."""
    sets = {name: one[:MOST_SHOWN] for name, one in _sets(run).items() if name in (*SHOWN_SETS, "CLAP")}
    projections = _projections(sets)
    figure, panels = new_panels(len(SHOWN_SETS) * len(projections), 2.9, columns=len(SHOWN_SETS))
    for index, (kind, points) in enumerate(projections.items()):
        everything = np.concatenate(list(points.values()))
        for place, shown in enumerate(SHOWN_SETS):
            panel = panels[len(SHOWN_SETS) * index + place]
            for name, colour in (("CLAP", COLOURS[1]), (shown, COLOURS[0 if shown == CLIP else 2])):
                panel.scatter(*points[name].T, s=8, alpha=0.6, linewidths=0, color=colour, label=name)
            _set_limits(panel, everything)
            panel.set_title(f"{kind}: {shown}, and CLAP", loc="left", fontsize=9)
            panel.legend(frameon=False, fontsize=7)
    what = f"{run.variant}, seed {run.seed}, {study_runs.about}"
    return study_runs.attach(figure, f"CLIP, CLAP and mapped embeddings of validation clips ({what})")


def _set_limits(panel: Any, everything: Embeddings) -> None:
    low, high = everything.min(0), everything.max(0)
    room = 0.05 * (high - low)
    panel.set(xlim=(low[0] - room[0], high[0] + room[0]), ylim=(low[1] - room[1], high[1] + room[1]))
    panel.set(xticks=[], yticks=[])


def _projections(sets: Mapping[str, Embeddings]) -> dict[str, dict[str, Embeddings]]:
    """By PCA, t-SNE and, where it is installed, UMAP."""
    from sklearn.manifold import TSNE

    mean, axes = principal_axes([sets[CLIP], sets["CLAP"]])
    perplexity = min(30.0, (sum(map(len, sets.values())) - 1) / 3)
    found = {
        "PCA": {name: project(one, mean, axes) for name, one in sets.items()},
        "t-SNE": _together(sets, TSNE(2, perplexity=perplexity, random_state=0, init="pca")),
    }
    if find_spec("umap") is not None:
        import umap

        found["UMAP"] = _together(sets, umap.UMAP(random_state=0))
    return found


def _together(sets: Mapping[str, Embeddings], method: Any) -> dict[str, Embeddings]:
    """One projection of all sets, so that the same place means the same in all pictures."""
    points = method.fit_transform(np.concatenate(list(sets.values())))
    ends = np.cumsum([len(one) for one in sets.values()])[:-1]
    return dict(zip(sets, np.split(points, ends), strict=True))
