"""The floor under every distance of distributions: the scores of true sounds of other clips.

A study compares the sounds it generated for some clips with the true sounds of the same clips. True sounds of other
clips are as good as sounds can be, and yet their distance is not zero: it is that of two draws of the same size from
one world. A mapper below the floor has repeated its own clips; by how much is no measure of how true its sounds are.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from v2a_lightning.distances import compare_embeddings
from v2a_lightning.errors import RunFailure
from v2a_lightning.json_files import write_json
from v2a_lightning.reports.measures import measure
from v2a_lightning.reports.tables import Table
from v2a_lightning.studies.plan import Options, plan
from v2a_lightning.studies.statistics import Summary, summarise
from v2a_lightning.studies.study import read_study
from v2a_lightning.studies.trained_runs import open_run
from v2a_lightning.studies.write import write_results

ROW = "floor: true sounds of other clips"
# The study whose base is opened; all have the same clips.
STUDY = "ablation-mapper"
FLOOR_FILE = "floor.json"
MOST_DRAWS = 9
SCORES = ("fd", "fad", "kad", "is", "embedding_fd", "embedding_kad")
# Tables of differences, where the floor has no place.
DIFFERENCES = ("differences", "cost")
ABOUT = (
    "FD, FAD and their like are distances between two sets of sounds, and two sets of true sounds have one, too. The "
    "row “floor” stands below every table that has such a score: true sounds of other clips, as many as the study "
    "scored, against the same validation clips. A system below the floor repeats what its own clips draw from chance; "
    "real recordings would come out behind it. Between two such systems these scores do not say whose sounds are "
    "truer, or more varied."
)

Floor = Mapping[str, Summary]


def report_floor(options: Options, write: bool) -> None:
    """Measure and print the floor; studies put it below their tables from now on. `write` puts it into docs/results.

    Raises:
        RunFailure: when there are too few training clips to draw from.
    """
    floor, sounds, clips = measure_floor(options)
    write_json(options.folder("floor") / FLOOR_FILE, {name: one.points for name, one in floor.items()})
    table = floor_table(floor, sounds, clips)
    print(table.markdown())
    if write:
        write_results("floor", "The floor", ABOUT, [table])


def measure_floor(options: Options) -> tuple[Floor, int, int]:
    """Scores of disjoint draws of training clips against the studies' validation clips, as many against as many.

    Returns:
        a summary over draws for each score; how many sounds, and how many embeddings, are on either side.

    Raises:
        RunFailure: when there are too few training clips for two draws.
    """
    trained = open_run(plan(read_study(STUDY), options)[0], options, trained=False)
    validation, training = trained.targets("validate"), trained.targets("fit")
    # The validation clips that are made into sound are the first ones of their order.
    chosen, size = list(validation)[: trained.evaluation.clips], len(validation)
    draws = min(MOST_DRAWS, len(training) // size)
    if draws < 2:
        raise RunFailure(f"{len(training)} training clips are too few for two draws of {size}")
    values: dict[str, list[float]] = {name: [] for name in SCORES}
    for draw in range(draws):
        others = list(training)[draw * size : (draw + 1) * size]
        found = trained.score({own: Path(trained.data.source(one)) for own, one in zip(chosen, others, strict=False)})
        sets = torch.stack([training[one] for one in others]), torch.stack(list(validation.values()))
        for name, value in (found | compare_embeddings(*sets)).items():
            values.get(name, []).append(value)
    return {name: summarise(collected) for name, collected in values.items()}, len(chosen), size


def floor_table(floor: Floor, sounds: int, clips: int) -> Table:
    """The floor by itself."""
    draws = len(next(iter(floor.values())).points)
    return Table(
        name="floor",
        caption="True sounds of other clips against the validation clips' (miniature, "
        f"{draws} draws of training clips). Scores of sound: {sounds} against {sounds}; of embeddings: {clips} against "
        f"{clips}. Mean ± standard deviation [95 % interval of the mean] over draws.",
        columns=["", *(measure(name).heading for name in floor)],
        rows=[[ROW, *floor.values()]],
    )


def read_floor(options: Options) -> Floor:
    """The floor that was measured; empty when none was."""
    path = options.folder("floor") / FLOOR_FILE
    found = json.loads(path.read_text()) if path.is_file() else {}
    return {name: summarise(points) for name, points in found.items()}


def with_floor(table: Table, floor: Floor) -> Table:
    """The table with the floor as its last row where it has one of its scores, unless it is of differences."""
    cells = {measure(name).heading: summary for name, summary in floor.items()}
    if table.name in DIFFERENCES or not cells.keys() & set(table.columns):
        return table
    return replace(table, rows=[*table.rows, [ROW, *(cells.get(heading) for heading in table.columns[1:])]])
