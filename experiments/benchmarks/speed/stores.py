"""Embedding stores of any size, and processes that open them side by side, as the ranks of a node do.

A process is sent commands, and gives a number for each: seconds, or the bytes that it holds by itself and by its part
of what it shares with others.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa

from experiments.benchmarks.speed.measuring import PROJECT
from v2a_lightning.data_modules import EmbeddingDataModule, EmbeddingStore, Splits, StoreSpec, Tower, load_table
from v2a_lightning.data_modules.compacted import compact
from v2a_lightning.data_modules.loaders import training_loader
from v2a_lightning.data_modules.shards import Shard
from v2a_lightning.data_modules.table import EmbeddingDataset

FRAMES, WIDTH, BATCH = 10, 512, 448
SHARD_CLIPS = 1000
SPEC = StoreSpec(
    Tower("frames", "clip:large", "a" * 64, "frames-1fps-10s"),
    Tower("audio", "clap:large", "b" * 64, "audio-16000hz-10s"),
)
SPLITS = ("train", "train", "train", "test")


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for a store of 12 GB, which /tmp may not have room for."""
    (PROJECT / "data").mkdir(exist_ok=True)
    with TemporaryDirectory(dir=PROJECT / "data", prefix="stores-") as folder:
        yield Path(folder)


class LargeStore(EmbeddingStore):
    """A store whose first shards are on the disk; the others are those again, under other ids."""

    def __init__(self, folder: Path, clips: int) -> None:
        super().__init__(folder)
        self.clips = clips
        if not self.folder.names():
            write_clips(self, min(clips, SHARD_CLIPS))

    def shards(self, tower: Tower, columns: Sequence[str], whole: bool = False) -> Iterator[Shard]:
        """Each shard as often as there are clips."""
        for shard in super().shards(tower, columns, whole):
            for number in range(-(-self.clips // len(shard.table))):
                yield replace(shard, table=_renamed(shard.table, number))


def write_clips(store: EmbeddingStore, clips: int) -> None:
    """Write clips of ten frames in half precision, with ids, labels and paths like VGGSound's."""
    numbers = np.random.default_rng(0)
    frames = numbers.standard_normal((16, FRAMES, WIDTH)).astype(np.float16)
    targets = numbers.standard_normal((16, 1, WIDTH)).astype(np.float16)
    with store.writer(SPEC) as writer:
        for number in range(clips):
            name = f"clip0000{number % 1000:03d}_{number:06d}"
            path = f"/data/vggsound/clips/{name}.mp4"
            writer.add_frames(name, f"class {number % 309}", SPLITS[number % 4], path, frames[number % 16])
            writer.add_audio(name, targets[number % 16])


def _renamed(table: pa.Table, number: int) -> pa.Table:
    for name in {"clip_id", "path"}.intersection(table.column_names):
        values = [value.replace("clip0000", f"clip{number:04d}") for value in table[name].to_pylist()]
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    return table


class Rank:
    """A process that opens a store when it is commanded to."""

    def __init__(self, folder: Path, rank: int, ranks: int) -> None:
        # A server imports this once and forks at each start: quick, and nothing of this process is shared.
        context = get_context("forkserver")
        context.set_forkserver_preload([__name__])
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, folder, rank, ranks), daemon=True)
        self.process.start()
        theirs.close()

    def result(self) -> float:
        """The number that a command gave; EOFError when the process has ended."""
        return float(self.connection.recv())


@contextmanager
def node(folder: Path, ranks: int) -> Iterator[list[Rank]]:
    """Processes that share the work on a store, ready to open it."""
    started = [Rank(folder, rank, ranks) for rank in range(ranks)]
    try:
        together(started, "memory")
        yield started
    finally:
        for rank in started:
            rank.process.kill()
            rank.process.join()


def together(ranks: Sequence[Rank], command: str) -> list[float]:
    """What all processes give when they do something at once."""
    for rank in ranks:
        rank.connection.send(command)
    return [rank.result() for rank in ranks]


class Reader:
    """What a process does with a store."""

    def __init__(self, folder: Path, rank: int, ranks: int) -> None:
        self.folder, self.rank, self.ranks = folder, rank, ranks
        self.table: Any = None
        self.module: Any = None

    def open(self) -> None:
        """Open its embeddings."""
        self.table = load_table(EmbeddingStore(self.folder), SPEC)

    def epoch(self) -> None:
        """Go through this process's batches of an epoch."""
        dataset = EmbeddingDataset(self.table, range(len(self.table)))
        for _ in training_loader(dataset, BATCH * self.ranks, 0, self.rank, self.ranks):
            pass

    def set_up(self) -> None:
        """Make everything that a training needs before its first batch."""
        self.module = EmbeddingDataModule(str(self.folder), batch_size=BATCH, splits=Splits(validation_clips=2))
        self.module.setup("fit")


def serve(connection: Any, folder: Path, rank: int, ranks: int) -> None:
    """Do what is sent: memory, open, epoch or set_up."""
    with TemporaryDirectory() as small:
        # What is loaded at the first use is not the store's.
        write_clips(EmbeddingStore(small), 16)
        compact(EmbeddingStore(small), SPEC)
        first = Reader(Path(small), rank, ranks)
        first.open()
        first.epoch()
        first.set_up()
    reader = Reader(folder, rank, ranks)
    while True:
        command = connection.recv()
        begun = time.perf_counter()
        if command != "memory":
            getattr(reader, command)()
        connection.send(_held() if command == "memory" else time.perf_counter() - begun)


def _held() -> float:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return 1024 * next(float(line.split()[1]) for line in lines if line.startswith("Pss:"))
