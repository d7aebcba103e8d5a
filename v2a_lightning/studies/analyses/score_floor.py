"""The floor under every distance of distributions: the scores of true sounds of other clips.

A study compares the sounds it generated for some clips with the true sounds of the same clips. True sounds of other
clips are as good as sounds can be, and yet their distance is not zero: it is that of two draws of the same size from
one world. A mapper below the floor has repeated its own clips; by how much is no measure of how true its sounds are.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch

from v2a_lightning.callbacks.clip_selection import place
from v2a_lightning.distances import compare_embeddings
from v2a_lightning.errors import RunFailure
from v2a_lightning.media import read_waveform
from v2a_lightning.reports.measures import measure
from v2a_lightning.reports.tables import NOTHING, Table
from v2a_lightning.studies.plan import Options, plan
from v2a_lightning.studies.statistics import Summary, summarise
from v2a_lightning.studies.study import read_study
from v2a_lightning.studies.trained_runs import TrainedRun, open_run
from v2a_lightning.studies.write import RESULTS, write_results, write_text

ROW = "floor: true sounds of other clips"
# The study whose base is opened; all have the same clips.
STUDY = "ablation-mapper"
MOST_DRAWS = 9
SOUND_SCORES = ("fd", "fad", "kad", "is")
EMBEDDING_SCORES = ("embedding_fd", "embedding_kad")
# In the caption of a table of differences, where the floor has no place.
DIFFERENCES = "paired by seed"
ABOUT = (
    "FD, FAD and their like are distances between two sets of sounds, and two sets of true sounds have one, too. The "
    "row “floor” stands below every table that has such a score: true sounds of other clips, as many as the study "
    "scored, against the same validation clips. A system below the floor repeats what its own clips draw from chance; "
    "real recordings would come out behind it. Between two such systems these scores do not say whose sounds are "
    "truer, or more varied."
)

Floor = dict[str, Summary]


def report_floor(options: Options, write: bool) -> None:
    """Print the floor of the studies' validation; write it into every table of docs/results when wanted.

    Raises:
        RunFailure: when there are too few training clips to draw from.
    """
    floor, sounds, clips = measure_floor(options)
    table = floor_table(floor, sounds, clips)
    print(table.markdown())
    if write:
        write_results("floor", "The floor", ABOUT, [table])
        for page in sorted(RESULTS.glob("*.md")):
            write_text(page, with_floor(page.read_text(encoding="utf-8"), floor))


def measure_floor(options: Options) -> tuple[Floor, int, int]:
    """Scores of disjoint draws of training clips against the studies' validation clips, as many against as many.

    Returns:
        a summary over draws for each score; how many sounds, and how many embeddings, are on either side.

    Raises:
        RunFailure: when there are too few training clips for two draws.
    """
    trained = open_run(plan(read_study(STUDY), options)[0], trained=False)
    validation, training = _embeddings(trained, "validate"), _embeddings(trained, "fit")
    # The validation clips that are made into sound are the first ones of their order.
    chosen = list(validation)[: trained.evaluation.clips]
    size = len(validation)
    draws = min(MOST_DRAWS, len(training) // size)
    if draws < 2:
        raise RunFailure(f"{len(training)} training clips are too few for two draws of {size}")
    values: dict[str, list[float]] = {name: [] for name in (*SOUND_SCORES, *EMBEDDING_SCORES)}
    for draw in range(draws):
        others = list(training)[draw * size : (draw + 1) * size]
        sets = torch.stack([training[one] for one in others]), torch.stack(list(validation.values()))
        found = _sound_scores(trained, chosen, others) | compare_embeddings(*sets)
        for name, collected in values.items():
            collected.append(found[name])
    return {name: summarise(collected) for name, collected in values.items()}, len(chosen), size


def floor_table(floor: Floor, sounds: int, clips: int) -> Table:
    """The floor by itself."""
    draws = next(iter(floor.values())).count
    return Table(
        name="floor",
        caption="True sounds of other clips against the validation clips' (miniature, "
        f"{draws} draws of training clips). Scores of sound: {sounds} against {sounds}; of embeddings: {clips} against "
        f"{clips}. Mean ± standard deviation [95 % interval of the mean] over draws.",
        columns=["", *(measure(name).heading for name in floor)],
        rows=[[ROW, *floor.values()]],
    )


def with_floor(text: str, floor: Floor) -> str:
    """Markdown with the floor as the last row of every table that has one of its scores, but for differences."""
    cells = {measure(name).heading: str(summary) for name, summary in floor.items()}
    lines: list[str] = []
    table: list[str] = []
    caption = ""
    for line in [*text.split("\n"), ""]:
        if line.startswith("|"):
            table.append(line)
            continue
        lines += _with_row(table, cells) if DIFFERENCES not in caption else table
        table, caption = [], line.strip() or caption
        lines.append(line)
    return "\n".join(lines[:-1])


def _with_row(table: Sequence[str], cells: Mapping[str, str]) -> list[str]:
    rows = [row for row in table if not row.startswith(f"| {ROW} |")]
    if not table or table[2].startswith(f"| {ROW} |"):
        # Nothing, or the floor's own table.
        return list(table)
    headings = [heading.strip() for heading in table[0].strip("|").split("|")]
    if not cells.keys() & set(headings):
        return rows
    return [*rows, "| " + " | ".join([ROW, *(cells.get(heading, NOTHING) for heading in headings[1:])]) + " |"]


def _embeddings(trained: TrainedRun, split: Literal["fit", "validate"]) -> dict[str, torch.Tensor]:
    """(D,) the true CLAP embedding of every clip, in the order of the ids' hashes."""
    found = {
        clip_id: row
        for batch in trained.batches(split)
        for clip_id, row in zip(batch["clip_id"], batch["target"].flatten(1).float(), strict=True)
    }
    return {clip_id: found[clip_id] for clip_id in sorted(found, key=lambda one: place(one, trained.evaluation.seed))}


def _sound_scores(trained: TrainedRun, chosen: Sequence[str], others: Sequence[str]) -> dict[str, float]:
    suite = trained.suite
    suite.reset()
    for clip_id, other in zip(chosen, others, strict=False):
        true, own = (read_waveform(Path(trained.data.source(one))) for one in (other, clip_id))
        suite.add(clip_id, true, own)
    return suite.compute()
