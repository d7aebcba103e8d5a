"""The pages of `evaluate` and `compare`: scores with their floors, classes, and the clips to listen to."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from markupsafe import Markup, escape

from v2a_lightning.errors import UsageError
from v2a_lightning.evaluation.catalogue import in_order
from v2a_lightning.evaluation.compare import best_system, number_of, paired_difference
from v2a_lightning.evaluation.folders import AUDIO_SUFFIXES, find_clips
from v2a_lightning.evaluation.score_files import ScoreFile
from v2a_lightning.media import PICTURE_SUFFIXES, VIDEO_SUFFIXES
from v2a_lightning.reports.clips import clip_item
from v2a_lightning.reports.pages import FLOOR, TRUE_SOUND, Item, Section, Tile, write_sounds_page
from v2a_lightning.reports.score_tables import card_tables, cards_of, class_tables, clip_scores, worst_first
from v2a_lightning.reports.tables import Cell, Figure, Interval, Table, number

SHOWN_CLIPS = 6
SOUND_SUFFIXES = (AUDIO_SUFFIXES, VIDEO_SUFFIXES)
ROLES = {"generated": SOUND_SUFFIXES, "reference": SOUND_SUFFIXES, "media": (VIDEO_SUFFIXES, PICTURE_SUFFIXES)}


def page_beside(path: Path) -> Path:
    """Where the page of a JSON file is."""
    return path.with_name(f"{path.name.removesuffix('.json')}.html")


def write_scores_page(path: Path, file: ScoreFile) -> Path:
    """Write the page of one system's scores; its sounds are read from the folders that the file names."""
    scores, cards = clip_scores(file), cards_of(file)
    tiles = [_tile(name, file) for name in file.scores.found if file.cards[name].headline]
    rows: list[dict[str, Cell]] = [
        {
            "metric": number_of(name, [file]).heading,
            "value [95 % interval]": _interval(name, file),
            "floor": number(file.floors[name]) if name in file.floors else None,
            "clips": str(len(score.clip_ids)),
            "extractor": file.cards[name].extractor,
        }
        for name, score in file.scores.found.items()
    ]
    return write_sounds_page(
        path,
        file.name,
        f"{max((len(one.clip_ids) for one in file.scores.found.values()), default=0)} clips."
        f"{f' {FLOOR}' if file.floors else ''}",
        file.label,
        _best_and_worst(file, scores),
        tiles=tiles,
        tables=[Table.of("scores", "All scores", rows)],
        details=[*class_tables(scores, file.labels, cards), *_remarks([file]), *card_tables(cards)],
        notes=_warnings([file]),
    )


def write_comparison_page(path: Path, files: Sequence[ScoreFile]) -> Path:
    """Write the page of several systems, the first of which is the baseline."""
    names = in_order(name for file in files for name in file.scores.found)
    rows: list[dict[str, Cell]] = [
        {"metric": number_of(name, files).heading} | {file.name: _compared(name, file, files) for file in files}
        for name in names
    ]
    differences: list[dict[str, Cell]] = []
    for file in files[1:]:
        for name in [one for one in names if one in file.scores.found and one in files[0].scores.found]:
            found = paired_difference(files[0].scores.found[name], file.scores.found[name])
            if found is not None:
                title = {"system": file.name, "metric": number_of(name, files).heading}
                interval = Interval(found.value, found.low, found.high)
                differences.append({**title, "difference": interval, "p": Figure(found.p_value, ".3f")})
    return write_sounds_page(
        path,
        " and ".join(file.name for file in files),
        f"The same clips with the sounds of each system. Differences are to {files[0].name}, the baseline.",
        files[0].label,
        _differing_clips(files),
        tables=[
            Table.of("systems", "Systems side by side, the best in bold; 95 % intervals", rows),
            *([Table.of("differences", "Differences by paired bootstrap", differences)] if differences else []),
        ],
        details=[*_remarks(files), *card_tables(cards_of(files[0]))],
        notes=_warnings(files),
    )


def _warnings(files: Sequence[ScoreFile]) -> list[str]:
    return [f"{file.name}: {note}" for file in files for note in file.notes if note.startswith("WARNING")]


def _remarks(files: Sequence[ScoreFile]) -> list[Table]:
    """Everything else that is to be known of the scores."""
    rows = []
    for file in files:
        rows += [[file.name, note] for note in file.notes]
        rows += [[file.name, f"no {metric}: {reason}"] for metric, reason in file.scores.missing.items()]
        rows += [[file.name, f"{clip_id} is left out: {reason}"] for clip_id, reason in file.left_out.items()]
    return [Table("notes", "Notes", ["system", "note"], rows)] if rows else []


def _tile(name: str, file: ScoreFile) -> Tile:
    one, score = number_of(name, [file]), file.scores.found[name]
    interval = score.interval(one.floor)
    beside = [] if interval is None else [f"{number(interval[0])} to {number(interval[1])}"]
    beside += [f"floor {number(file.floors[name])}"] if name in file.floors else []
    return Tile(one, score.value, ", ".join(beside))


def _interval(name: str, file: ScoreFile) -> Interval | str:
    """A value with its interval; as the terminal shows it where there is none."""
    score = file.scores.found[name]
    interval = score.interval(number_of(name, [file]).floor)
    return number(score.value) if interval is None else Interval(score.value, *interval)


def _compared(name: str, file: ScoreFile, files: Sequence[ScoreFile]) -> Cell:
    if name not in file.scores.found:
        return None
    best = best_system(name, files)
    cell = str(_interval(name, file))
    return Markup(f"<strong>{escape(cell)}</strong>") if best is not None and files[best] is file else cell


def _best_and_worst(file: ScoreFile, scores: Mapping[str, Mapping[str, float]]) -> list[Section]:
    """The clips with the worst and the best values of the first score that has one for each clip."""
    ranked = next(iter(scores), None)
    if ranked is None:
        every: list[str] = next((one.clip_ids for one in file.scores.found.values()), [])
        return [Section("Clips", _items([file], every[:SHOWN_CLIPS]))]
    one = number_of(ranked, [file])
    order = worst_first(scores[ranked], one)
    count = min(SHOWN_CLIPS, max(1, len(order) // 2))
    chosen = {"The worst clips": order[:count], "The best clips": order[: -count - 1 : -1]}
    by = f"By {one.title}, of which {one.better} is better."
    return [Section(title, _items([file], clips), by) for title, clips in chosen.items()]


def _differing_clips(files: Sequence[ScoreFile]) -> list[Section]:
    """The clips on which the systems differ most."""
    scores = [clip_scores(file) for file in files]
    ranked = next((name for name in scores[0] if all(name in one for one in scores)), None)
    if ranked is None:
        return []
    columns = [one[ranked] for one in scores]
    shared = [clip_id for clip_id in columns[0] if all(clip_id in column for column in columns)]
    spread = {clip_id: max(of) - min(of) for clip_id in shared for of in [[column[clip_id] for column in columns]]}
    chosen = sorted(shared, key=lambda clip_id: -spread[clip_id])[:SHOWN_CLIPS]
    by = f"Those whose {number_of(ranked, files).title} differs most."
    return [Section("The same clips in each system", _items(files, chosen), by)]


def _items(files: Sequence[ScoreFile], clips: Sequence[str]) -> list[Item]:
    """Clips with their true sound, and that of each system."""
    found = [{role: _files(file, role, clips) for role in ROLES} for file in files]
    scores = [clip_scores(file) for file in files]
    items = []
    for clip_id in clips:
        own = next((one["reference"][clip_id] for one in found if clip_id in one["reference"]), None)
        picture = next((one["media"][clip_id] for one in found if clip_id in one["media"]), None)
        sounds = {} if own is None else {TRUE_SOUND: own}
        facts = []
        for file, one, values in zip(files, found, scores, strict=True):
            title = "Generated sound" if len(files) == 1 else file.name
            sounds |= {title: one["generated"][clip_id]} if clip_id in one["generated"] else {}
            of_clip = {number_of(name, [file]).title: of[clip_id] for name, of in values.items() if clip_id in of}
            figures = ", ".join(f"{name} {number(value)}" for name, value in of_clip.items())
            facts.append(figures if len(files) == 1 else f"{file.name}: {figures}")
        label = next((file.labels[clip_id] for file in files if clip_id in file.labels), "")
        items.append(clip_item(label or clip_id, sounds, picture, clip_id if label else "", " · ".join(facts)))
    return items


def _files(file: ScoreFile, role: str, clips: Sequence[str]) -> dict[str, Path]:
    """Clip id -> file of a role; none of a folder that has gone."""
    try:
        return find_clips(Path(file.sources[role]), f"--{role}", "media", *ROLES[role], wanted=clips)
    except (UsageError, KeyError):
        return {}
