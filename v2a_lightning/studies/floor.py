"""The floor under every distance of distributions: what true sounds score when they are those of other clips.

A study compares the sounds it made for some clips with the true sounds of the same clips. True sounds of other clips
are as good as sounds can be, and yet their distance is not zero: it is that of two draws of the same size from one
world. A mapper below the floor has repeated its own clips; by how much is no measure of how true its sounds are.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from v2a_lightning.errors import RunFailure
from v2a_lightning.files import atomic_write
from v2a_lightning.media import read_wave
from v2a_lightning.studies.measures import measure
from v2a_lightning.studies.opening import Opened, open_run
from v2a_lightning.studies.plan import Options, plan
from v2a_lightning.studies.readme import README, write_section
from v2a_lightning.studies.statistics import Summary, summarise
from v2a_lightning.studies.study import read_study
from v2a_lightning.studies.tables import NOTHING, Table, plain

ROW = "floor: true sounds of other clips"
# The study whose base is opened; all have the same clips.
STUDY = "ablation-mapper"
MOST_DRAWS = 9
OF_SOUNDS = ("fd", "fad", "kad", "is")
OF_EMBEDDINGS = ("embedding_fd", "embedding_kad")
# What a table of differences says above it; the floor has no place there.
DIFFERENCES = "paired by seed"

Floor = dict[str, Summary]


def report_floor(options: Options, write: bool) -> None:
    """Print the floor of the studies' validation; write it into every table of experiments/README.md when asked.

    Raises:
        RunFailure: when there are too few training clips to draw from.
    """
    floor, sounds, clips = measure_floor(options)
    table = floor_table(floor, sounds, clips)
    print(table.markdown())
    if write:
        write_section("floor", table.markdown())
        with atomic_write(README) as temporary:
            temporary.write_text(with_floor(README.read_text(encoding="utf-8"), floor), encoding="utf-8")


def measure_floor(options: Options) -> tuple[Floor, int, int]:
    """Scores of disjoint draws of training clips against the studies' validation clips, as many against as many.

    Returns:
        a summary over draws for each score; how many sounds, and how many embeddings, are on either side.

    Raises:
        RunFailure: when there are too few training clips for two draws.
    """
    opened = open_run(plan(read_study(STUDY), options)[0], trained=False)
    validation, training = _embeddings(opened, "validate"), _embeddings(opened, "fit")
    chosen = _evaluated(opened, list(validation))
    draws = min(MOST_DRAWS, len(training) // len(validation))
    if draws < 2:
        raise RunFailure(f"{len(training)} training clips are too few for two draws of {len(validation)}")
    values: dict[str, list[float]] = {name: [] for name in (*OF_SOUNDS, *OF_EMBEDDINGS)}
    for draw in range(draws):
        others = list(training)[draw * len(validation) : (draw + 1) * len(validation)]
        found = _sound_scores(opened, chosen, others) | _embedding_scores(
            torch.stack([training[one] for one in others]), torch.stack(list(validation.values()))
        )
        for name, kept in values.items():
            kept.append(found[name])
    return {name: summarise(kept) for name, kept in values.items()}, len(chosen), len(validation)


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
    cells = {measure(name).heading: plain(summary) for name, summary in floor.items()}
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
    if not table:
        return []
    headings = [heading.strip() for heading in table[0].strip("|").split("|")]
    rows = [row for row in table if not row.startswith(f"| {ROW} |")]
    if len(rows) < len(table) and table[2].startswith(f"| {ROW} |"):
        # The floor's own table.
        return list(table)
    if not cells.keys() & set(headings):
        return rows
    return [*rows, "| " + " | ".join([ROW, *(cells.get(heading, NOTHING) for heading in headings[1:])]) + " |"]


def _embeddings(opened: Opened, split: str) -> dict[str, torch.Tensor]:
    """(512,) the true CLAP embedding of every clip, in the order of the ids' hashes."""
    from v2a_lightning.callbacks.sharing import place

    found = {
        clip_id: row
        for batch in opened.batches(split)  # type: ignore[arg-type]
        for clip_id, row in zip(batch["clip_id"], batch["target"].flatten(1).float(), strict=True)
    }
    return {clip_id: found[clip_id] for clip_id in sorted(found, key=lambda one: place(one, opened.evaluation.seed))}


def _evaluated(opened: Opened, ordered: Sequence[str]) -> list[str]:
    """The validation clips that are made into sound: the first ones of their order."""
    return list(ordered[: opened.evaluation.clips])


def _sound_scores(opened: Opened, chosen: Sequence[str], others: Sequence[str]) -> dict[str, float]:
    suite = opened.suite
    suite.reset()
    for clip_id, other in zip(chosen, others, strict=False):
        (true, rate), (own, own_rate) = (read_wave(Path(opened.data.source(one))) for one in (other, clip_id))
        suite.update([clip_id], [true], rate, references=[own], reference_rate=own_rate)
    return suite.compute()


def _embedding_scores(others: torch.Tensor, own: torch.Tensor) -> dict[str, float]:
    from v2a_lightning.evaluation.embeddings import EmbeddingMetrics

    metrics = EmbeddingMetrics(own.shape[1], sync_on_compute=False)
    metrics.update(others, own)
    return metrics.compute()
