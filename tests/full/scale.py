"""What 200 thousand, two million and a hundred million clips take: `python -m tests.full.scale` writes it into
docs/SCALE.md, from what `make benchmark` measured of growing stores and what tests.full.costs counts and measures.
"""

from collections.abc import Callable
from dataclasses import dataclass

from experiments.benchmarks.speed.document import Document
from experiments.benchmarks.speed.growth import SIZES, WRITTEN
from experiments.benchmarks.speed.stores import FRAMES, WIDTH
from tests.full.costs import PEAKS, SHARE, count_costs, decoding_seconds
from tests.full.measuring import ROOT
from v2a_lightning.errors import UsageError
from v2a_lightning.reports.tables import write_section

SCALE = ROOT / "docs" / "SCALE.md"
DATA_SETS = {"VGGSound": 200_000, "AudioSet": 2_000_000, "the web": 100_000_000}
CORES, RANKS, MEMORY_GB, DISK_GB = 16, 8, 512, 2_000
"""Of a machine that embeds: processors beside one GPU. Of a machine that trains: GPUs, memory and disk."""
CLIP_MB, SHARD_CLIPS, EPOCHS = 1.5, 1024, 200
PRICES = {"processor hour": 0.04, "GPU hour": 2.0, "GB in object storage, a month": 0.023}
"""In dollars, as clouds ask for them: replace them by your own."""


@dataclass(frozen=True)
class PerClip:
    """What one clip takes: bytes, and seconds of one processor or one GPU."""

    stored_bytes: float
    process_bytes: float
    writing: float
    compacting: float
    opening: float
    loading: float
    decoding: float
    embedding: float
    training: float


def measured() -> PerClip:
    """From docs/benchmarks.json, and from operations; UsageError when the growth of stores was not measured."""
    records = [record for record in Document(ROOT / "docs").records() if record["topic"] == "growth"]
    values = {record["what"]: record["value"] for record in records}
    most = SIZES[-1]

    def of(name: str, clips: int = most) -> float:
        if (what := f"{clips:,} clips: {name}") not in values:
            raise UsageError(f"docs/benchmarks.json has no {what!r}; run `make benchmark` with `--only growth` first")
        return float(values[what]) / clips

    costs = {cost.stage: cost.operations for cost in count_costs()}
    rate = PEAKS["TF32"] * SHARE
    return PerClip(
        stored_bytes=1e9 * of("disk"),
        process_bytes=1e9 * (of("memory") - of("disk")) / 2,
        writing=of("write", WRITTEN),
        compacting=of("compact"),
        opening=of("open"),
        loading=2 * of("epoch"),
        decoding=decoding_seconds(),
        embedding=(costs["CLIP embeddings"] + costs["CLAP embeddings"]) / rate,
        training=costs["training"] / rate,
    )


def tables(one: PerClip) -> str:
    """Everything as Markdown."""
    hours: dict[str, Callable[[int], float]] = {
        "decoding, processor hours": lambda clips: clips * one.decoding / 3600,
        "CLIP and CLAP, GPU hours": lambda clips: clips * one.embedding / 3600,
        f"embedding on one machine of {CORES} processors and a GPU, hours": lambda clips: _embedding_hours(clips, one),
        "such machines for one day": lambda clips: -(-_embedding_hours(clips, one) // 24),
        "embedding, dollars": lambda clips: _embedding_hours(clips, one) * _machine_price(),
        f"training, {EPOCHS} epochs, GPU hours": lambda clips: EPOCHS * clips * one.training / 3600,
        "loading, processor hours of these": lambda clips: EPOCHS * clips * one.loading / 3600,
    }
    sizes: dict[str, Callable[[int], float]] = {
        f"the clips themselves, GB (at {CLIP_MB:g} MB)": lambda clips: clips * CLIP_MB / 1e3,
        "embeddings, GB": lambda clips: clips * one.stored_bytes / 1e9,
        f"shards of {SHARD_CLIPS:,} clips, two encoders": lambda clips: 2 * -(-clips // SHARD_CLIPS),
        "embeddings in object storage, dollars a month": lambda clips: (
            clips * one.stored_bytes / 1e9 * PRICES["GB in object storage, a month"]
        ),
        "compacting, hours": lambda clips: clips * one.compacting / 3600,
        "opening the compacted form, seconds": lambda clips: clips * one.opening,
        f"memory of a node of {RANKS} processes, not compacted, GB": lambda clips: RANKS * _read_gb(clips, one),
        "the same, compacted, of which all but the next line may be dropped, GB": lambda clips: _mapped_gb(clips, one),
        "ids, labels and paths in these processes, GB": lambda clips: _processes_gb(clips, one),
    }
    head = ["| | " + " | ".join(f"{name}, {clips:,}" for name, clips in DATA_SETS.items()) + " |"]
    head.append("| --- |" + " ---: |" * len(DATA_SETS))

    def table(rows: dict[str, Callable[[int], float]]) -> list[str]:
        cells = {name: " | ".join(_text(row(clips)) for clips in DATA_SETS.values()) for name, row in rows.items()}
        return [*head, *(f"| {name} | {cell} |" for name, cell in cells.items())]

    prices = ", ".join(f"{price:g} $ for a {name}" for name, price in PRICES.items())
    return "\n".join(
        [
            f"Clips of ten seconds, {FRAMES} frames and one target of width {WIDTH} in half precision. Measured for "
            f"each clip: {one.stored_bytes:,.0f} bytes in the store, {one.process_bytes:,.0f} bytes in each process, "
            f"{1e6 * one.writing:.0f} µs to write, {1e6 * one.compacting:.0f} µs to compact, {1e6 * one.opening:.1f} "
            f"µs to open, {1e6 * one.loading:.0f} µs of a processor to load, {one.decoding:.2f} s of a processor to "
            f"decode. Computed: an A100 that reaches {SHARE:.0%} of its TF32 rate. Assumed: {prices}.",
            "",
            *table(sizes),
            "",
            *table(hours),
            "",
            *_limits(one),
        ]
    )


def _limits(one: PerClip) -> list[str]:
    """How many clips fit, by what ends first."""
    limits = {
        f"memory of {MEMORY_GB} GB, {RANKS} processes, not compacted": MEMORY_GB / (RANKS * _read_gb(1, one)),
        f"memory of {MEMORY_GB} GB, compacted and all in memory": MEMORY_GB / _mapped_gb(1, one),
        f"memory of {MEMORY_GB} GB, compacted, read from the disk": MEMORY_GB / _processes_gb(1, one),
        f"disk of {DISK_GB:,} GB, compacted beside its shards": DISK_GB / (2 * one.stored_bytes / 1e9),
        f"disk of {DISK_GB:,} GB, compacted alone": DISK_GB / (one.stored_bytes / 1e9),
        "compacted form open in a minute": 60 / one.opening,
        f"one machine of {CORES} processors and a GPU embeds in a day": 24 / _embedding_hours(1, one),
    }
    rows = [f"| {name} | {_text(limit / 1e6)} |" for name, limit in sorted(limits.items(), key=lambda row: row[1])]
    return ["| what ends first | millions of clips |", "| --- | ---: |", *rows]


def _embedding_hours(clips: int, one: PerClip) -> float:
    """Decoding and encoders run side by side; the slower one counts."""
    return clips * max(one.decoding / CORES, one.embedding) / 3600


def _machine_price() -> float:
    return CORES * PRICES["processor hour"] + PRICES["GPU hour"]


def _read_gb(clips: int, one: PerClip) -> float:
    return clips * (one.stored_bytes + one.process_bytes) / 1e9


def _mapped_gb(clips: int, one: PerClip) -> float:
    return clips * one.stored_bytes / 1e9 + _processes_gb(clips, one)


def _processes_gb(clips: int, one: PerClip) -> float:
    return clips * RANKS * one.process_bytes / 1e9


def _text(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


if __name__ == "__main__":
    write_section("computed", tables(measured()), SCALE)
    print(SCALE.read_text())
