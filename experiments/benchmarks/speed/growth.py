"""What grows with a store, from a thousand clips to a million: writing, compacting, opening, an epoch and the memory of
two processes that train. Clips have ten frames of width 512. The figure is docs/figures/growth.png.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from experiments.benchmarks.speed.measuring import PROJECT, Row
from experiments.benchmarks.speed.stores import SPEC, LargeStore, node, scratch, together, write_clips
from v2a_lightning.data_modules import EmbeddingStore
from v2a_lightning.data_modules.compacted import compact
from v2a_lightning.reports.charts import COLOURS, new_panels, save_figure

SIZES, QUICK_SIZES = (1_000, 10_000, 100_000, 1_000_000), (100, 1_000)
# The shards of more than that and their compacted form are more than a small disk has room for: of a larger store one
# shard is written, and read as often as there are clips.
WRITTEN = 100_000
FIGURE = PROJECT / "docs" / "figures" / "growth.png"
UNITS = {"write": "s", "compact": "s", "open": "s", "epoch": "s", "memory": "GB", "disk": "GB"}
OPEN_GOAL, MEMORY_GOAL = 5.0, 1.1
Measured = dict[str, dict[int, float]]


def rows(quick: bool) -> Iterator[Row]:
    """One round for each size."""
    measured: Measured = {name: {} for name in UNITS}
    for clips in QUICK_SIZES if quick else SIZES:
        with scratch() as folder:
            for name, value in _measure(folder, clips).items():
                measured[name][clips] = value
                goal = OPEN_GOAL if name == "open" else None
                yield _row(f"{clips:,} clips: {name}", "", value, UNITS[name], goal)
        copies = measured["memory"][clips] / measured["disk"][clips]
        yield _row(f"{clips:,} clips: memory of two processes", "one copy", copies, "x", _memory_goal(clips))
    for name, points in measured.items():
        (few, *_, most) = list(points)[-3:]
        growth = points[most] / points[few] / (most / few)
        yield _row(f"{name}, {most:,} clips", f"{few:,} clips, for each clip", growth, "x")
    if not quick:
        draw(measured, FIGURE)


def _measure(folder: Path, clips: int) -> dict[str, float]:
    result: dict[str, float] = {}
    store = EmbeddingStore(folder) if clips <= WRITTEN else LargeStore(folder, clips)
    if clips <= WRITTEN:
        result["write"] = _seconds(lambda: write_clips(store, clips))
    result["compact"] = _seconds(lambda: compact(store, SPEC))
    result["disk"] = (folder / SPEC.compacted).stat().st_size / 1e9
    with node(folder, 2) as ranks:
        begun = sum(together(ranks, "memory"))
        result["open"] = max(together(ranks, "open"))
        result["epoch"] = max(together(ranks, "epoch"))
        result["memory"] = (sum(together(ranks, "memory")) - begun) / 1e9
    return result


def draw(measured: Measured, path: Path) -> None:
    """Each figure over the number of clips, both axes logarithmic."""
    seconds = [name for name, unit in UNITS.items() if unit == "s"]
    figure, panels = new_panels(2, 3.2)
    for panel, names, label in zip(panels, (seconds, ["memory", "disk"]), ("seconds", "gigabytes"), strict=True):
        for colour, name in zip(COLOURS, names, strict=False):
            panel.plot(*zip(*measured[name].items(), strict=True), "o-", color=colour, markersize=4, label=name)
        panel.set(xscale="log", yscale="log", xlabel="clips", ylabel=label)
        panel.legend(frameon=False, fontsize=8)
    save_figure(figure, path)


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _memory_goal(clips: int) -> float | None:
    """What a process needs whatever its store is more than that of a small one."""
    return MEMORY_GOAL if clips > WRITTEN else None


def _row(what: str, against: str, value: float, unit: str, goal: float | None = None) -> Row:
    return Row(what, against, value, unit, goal, "lower", 1, (value, value))
