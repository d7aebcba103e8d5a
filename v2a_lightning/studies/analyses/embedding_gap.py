"""Where mapped embeddings lie between CLIP's and CLAP's, before training and after it: figures and a picture."""

from collections.abc import Mapping
from dataclasses import asdict
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor

from v2a_lightning.encoders.base import SOLE
from v2a_lightning.reports.charts import COLOURS, new_panels
from v2a_lightning.reports.domain_gap import FOLDS, Embeddings, measure_gap, principal_axes, project
from v2a_lightning.reports.measures import measure
from v2a_lightning.studies.plan import Run
from v2a_lightning.studies.run import StudyRuns
from v2a_lightning.studies.statistics import summarise
from v2a_lightning.studies.tables import OVER_SEEDS
from v2a_lightning.studies.trained_runs import mean_frames
from v2a_lightning.studies.write import Attachment, Finding

GAPS = ("centroid", "separability", "frechet")
CLIP, UNTRAINED, TRAINED, OTHERS = "CLIP", "mapped, before training", "mapped, after training", "CLAP of other clips"
MOST_SHOWN = 400

Sets = dict[str, Embeddings]


def measure_embedding_gap(study_runs: StudyRuns) -> list[Finding]:
    """The gap of each set of embeddings to CLAP's, and both pictures of the first training."""
    # What no mapper made is of no seed either.
    unmapped: dict[str, dict[int, Mapping[str, float]]] = {}
    mapped: dict[str, dict[int, Mapping[str, float]]] = {}
    for run in study_runs.trainings():
        for name, gap in study_runs.cached(run, "gap", lambda run: _gaps(_sets(study_runs, run))).items():
            if name in (UNTRAINED, TRAINED):
                mapped.setdefault(f"{run.variant}: {name}", {})[run.seed] = gap
            else:
                unmapped.setdefault(name, {})[0] = gap
    others = {name: unmapped.pop(name) for name in (OTHERS,) if name in unmapped}
    table = study_runs.table(
        f"Gap between each set of embeddings and CLAP's of the same clips ({study_runs.about}). {OVER_SEEDS} "
        "Separability is how often a linear classifier tells the two sets apart "
        f"on held-out clips: 0.5 is chance. “{OTHERS}” says how near a set can come. An encoder of frames has a gap "
        "where it is as wide as CLAP.",
        ["Embeddings", *(measure(f"gap_{gap}").heading for gap in GAPS)],
        [
            [name, *(summarise([one[gap] for one in found.values()]) for gap in GAPS)]
            for name, found in {**unmapped, **dict(sorted(mapped.items(), key=_variant)), **others}.items()
        ],
    )
    trainings = study_runs.trainings()
    return [table, _draw(study_runs, trainings[0])] if trainings else [table]


def _variant(item: tuple[str, Any]) -> str:
    return item[0].partition(":")[0]


def _gaps(sets: Sets) -> dict[str, dict[str, float]]:
    target = sets.pop("CLAP")
    return {name: asdict(measure_gap(one, target)) for name, one in sets.items()} if len(target) >= FOLDS else {}


def _sets(study_runs: StudyRuns, run: Run) -> Sets:
    """(N, D) of the validation clips by where they are from, as far as they are as wide as CLAP's, and CLAP's of as
    many test clips. Of several encoders each has a set under its name."""
    before, after = study_runs.open(run, trained=False), study_runs.open(run)
    parts: dict[str, list[Tensor]] = {}
    for batch in after.batches():
        found = {CLIP if name == SOLE else name: one for name, one in mean_frames(batch).items()}
        found |= {UNTRAINED: after.sample(batch, before.mapper), TRAINED: after.sample(batch)}
        for name, rows in {**found, "CLAP": batch["target"].flatten(1)}.items():
            parts.setdefault(name, []).append(rows)
    sets = {name: torch.cat(one).numpy() for name, one in parts.items()}
    tested = torch.cat([batch["target"].flatten(1) for batch in after.batches("test")])
    others = np.asarray(tested)[: len(sets["CLAP"])]
    sets |= {OTHERS: others} if len(others) >= FOLDS else {}
    return {name: one for name, one in sets.items() if one.shape[1] == sets["CLAP"].shape[1]}


def _draw(study_runs: StudyRuns, run: Run) -> Attachment:
    """A row for each projection: encoders of frames, mapped before and after training, each beside CLAP, on the same
    axes."""
    sets = {name: one[:MOST_SHOWN] for name, one in _sets(study_runs, run).items() if name != OTHERS}
    shown = [name for name in sets if name != "CLAP"]
    projections = _projections(sets)
    figure, panels = new_panels(len(shown) * len(projections), 2.9, columns=len(shown))
    places = [(kind, name) for kind in projections for name in shown]
    for panel, (kind, name) in zip(panels, places, strict=True):
        points = projections[kind]
        colours = {"CLAP": COLOURS[1], name: COLOURS[2 if name in (UNTRAINED, TRAINED) else 0]}
        for one, colour in colours.items():
            panel.scatter(*points[one].T, s=8, alpha=0.6, linewidths=0, color=colour, label=one)
        panel.update_datalim(np.concatenate(list(points.values())))
        panel.set(xticks=[], yticks=[])
        panel.set_title(f"{kind}: {name}, and CLAP", loc="left", fontsize=9)
        panel.legend(frameon=False, fontsize=7)
    what = f"{run.variant}, seed {run.seed}, {study_runs.about}"
    return study_runs.attach(figure, f"CLIP, CLAP and mapped embeddings of validation clips ({what})")


def _projections(sets: Mapping[str, Embeddings]) -> dict[str, dict[str, Embeddings]]:
    """By PCA, t-SNE and, where it is installed, UMAP."""
    from sklearn.manifold import TSNE

    mean, axes = principal_axes([one for name, one in sets.items() if name not in (UNTRAINED, TRAINED)])
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
