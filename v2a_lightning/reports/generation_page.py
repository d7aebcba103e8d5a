"""The page of `generate`: each input's pictures, the sounds made of it, and how they were made."""

from pathlib import Path

from v2a_lightning.generation import GenerationRecord, read_generation
from v2a_lightning.reports.clips import clip_item
from v2a_lightning.reports.pages import REPORT_FILE, Item, Section, write_sounds_page
from v2a_lightning.reports.score_tables import settings_rows
from v2a_lightning.reports.tables import Table

MOST_SOUNDS = 40


def write_generation_page(folder: Path) -> Path:
    """Write `report.html` into a folder of sounds from its generation.json."""
    record = GenerationRecord(folder, read_generation(folder)[0])
    by_source: dict[str, list[str]] = {}
    for name, sound in record.sounds.items():
        by_source.setdefault(sound.get("source", name), []).append(name)
    items: list[Item] = []
    for source, names in by_source.items():
        if sum(len(item.sounds) for item in items) >= MOST_SOUNDS:
            break
        titles = [f"Sample {place + 1}" for place in range(len(names))] if len(names) > 1 else ["Generated sound"]
        sounds = {title: folder / f"{name}.wav" for title, name in zip(titles, names, strict=True)}
        picture = Path(source) if "source" in record.sounds[names[0]] else None
        items.append(clip_item(Path(source).name, sounds, picture))
    rest = f"The first {len(items)} of {len(by_source)} inputs." if len(items) < len(by_source) else ""
    reasons = {one.get("source", name): one.get("reason", "") for name, one in record.left_out.items()}
    left_out = Table("left_out", "Inputs that were left out", ["input", "reason"], list(reasons.items()))
    made = Table("settings", "How they were made", ["what", "value"], settings_rows(record.settings))
    text = record.settings.get("steering", {}).get("text")
    return write_sounds_page(
        folder / REPORT_FILE,
        f"“{text}”" if text else "Generated sound",
        f"{len(record.sounds)} sounds of {len(by_source)} pictures and clips.",
        "miniature" if "miniature" in str(record.settings.get("generator", "")) else "",
        [Section("Pictures and sounds", items, rest)],
        details=[one for one in (left_out, made) if one.rows],
    )
