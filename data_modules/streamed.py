"""A streamed copy of a store: for more clips than the machines that train have room for on their disks.

    train/chunk-*.bin, train/index.json    the training clips in random order, as litdata reads them
    evaluated/                             an embedding store of all others, which is read whole
    train.json                             how many clips train and the hash of their ids; written last

Training reads chunk after chunk from wherever the copy is and keeps a part of them on the local disk. An epoch has
every clip, however many processes and workers read. Needs the extra `stream`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from v2a_lightning.data_modules.clips import TRAIN, Clip, Splits, ids_hash
from v2a_lightning.data_modules.embedding_data_module import EmbeddingDataModule
from v2a_lightning.data_modules.folders import Folder
from v2a_lightning.data_modules.loaders import share_of_batch
from v2a_lightning.data_modules.store import EmbeddingStore, Precision, StoreWriter
from v2a_lightning.data_modules.table import Batch, EmbeddingTable, load_table
from v2a_lightning.data_modules.towers import StoreSpec
from v2a_lightning.encoders.base import SOLE
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.progress import progress

CHUNK_BYTES = 64 * 2**20
FACTS, EVALUATED = "train.json", "evaluated"
Item = dict[str, Any]


@dataclass(frozen=True)
class TrainingClips:
    """What is known of the training clips before they are read: their number and the hash of their ids."""

    clips: int
    ids_sha256: str


def write_stream(url: str, store: EmbeddingStore, spec: StoreSpec, clips: Sequence[Clip], seed: int = 0) -> None:
    """Write a streamed copy of some clips of a store; UsageError when its folder is not empty.

    A compacted store is not read into memory for this.
    """
    folder = Folder(url)
    if folder.names():
        raise UsageError(f"{url} is not empty; give another folder or URL, or remove what an earlier run began there")
    table = load_table(store, spec, [clip.clip_id for clip in clips]).described_by(clips)
    there = set(table.clip_ids)
    training = [clip for clip in clips if clip.split == TRAIN and clip.clip_id in there]
    evaluated = [clip for clip in clips if clip.split != TRAIN and clip.clip_id in there]
    if not training or not evaluated:
        raise UsageError(f"of {store.url} {len(training)} clips train and {len(evaluated)} do not: both are needed")
    with EmbeddingStore(f"{url}/{EVALUATED}", _precision(table)).writer(spec) as writer:
        for clip, row in zip(evaluated, table.rows(evaluated), strict=True):
            _add(writer, clip, _item(table, row))
    generator = torch.Generator().manual_seed(seed)
    _write_chunks(folder, table, torch.tensor(table.rows(training))[torch.randperm(len(training), generator=generator)])
    facts = TrainingClips(len(training), ids_hash(clip.clip_id for clip in training))
    folder.write(FACTS, json.dumps(asdict(facts)).encode())


def _precision(table: EmbeddingTable) -> Precision:
    frames = table.frames if isinstance(table.frames, torch.Tensor) else next(iter(table.frames.values()))
    return "float32" if frames.dtype == torch.float32 else "float16"


def _add(writer: StoreWriter, clip: Clip, item: Item) -> None:
    frames = {key: item[f"frames/{key}"][: item["num_frames"]].numpy() for key in _keys(item)}
    writer.add_frames(clip.clip_id, clip.label, clip.split, str(clip.path or ""), frames)
    if "target" in item:
        writer.add_audio(clip.clip_id, item["target"].numpy())


def _write_chunks(folder: Folder, table: EmbeddingTable, rows: torch.Tensor) -> None:
    from litdata.streaming.writer import BinaryWriter

    with TemporaryDirectory() as temporary, progress("writing training clips", len(rows)) as advance:
        writer = BinaryWriter(temporary, chunk_bytes=CHUNK_BYTES)

        def move(*paths: str | None) -> None:
            for path in (Path(temporary, path) for path in paths if path):
                folder.write(f"{TRAIN}/{path.name}", path.read_bytes())
                path.unlink()

        for number, row in enumerate(rows.tolist()):
            move(writer.add_item(number, _item(table, row)))
            advance(1)
        move(*writer.done())
        writer.merge()
        move("index.json")


def _item(table: EmbeddingTable, row: int) -> Item:
    """A clip as it is stored: id, label, how many frames it has, and rows of the table's tensors."""
    views = table.frames if isinstance(table.frames, Mapping) else {SOLE: table.frames}
    item = {"clip_id": table.clip_ids[row], "label": table.labels[row], "num_frames": int(table.lengths[row])}
    item |= {f"frames/{key}": view[row] for key, view in views.items()}
    return item if table.target is None else {**item, "target": table.target[row]}


def _keys(item: Item) -> list[str]:
    """The encoders of frames."""
    return [name.removeprefix("frames/") for name in item if name.startswith("frames/")]


def as_batch(items: Sequence[Item]) -> Batch:
    """The batch that a table of these clips has."""
    frames = {key: torch.stack([item[f"frames/{key}"] for item in items]) for key in _keys(items[0])}
    names = [item["clip_id"] for item in items]
    table = EmbeddingTable(
        clip_ids=names,
        labels=[item["label"] for item in items],
        splits=[TRAIN] * len(items),
        paths=[""] * len(items),
        frames=frames.get(SOLE, frames),
        lengths=torch.tensor([item["num_frames"] for item in items]),
        target=torch.stack([item["target"] for item in items]) if "target" in items[0] else None,
    )
    return table.batch(range(len(items)))


class StreamedLoader:
    """Batches of one process. Lightning numbers the epochs, each of which has another order, and keeps its state.

    litdata deals whole batches out to the processes and what is left to the last of them. The others fill up with their
    first batches, so that all take equally many steps.

    Args:
        loader: a StreamingDataLoader that drops nothing.
        clips: how many all processes have.
        ranks: how many processes.
    """

    def __init__(self, loader: Any, clips: int, ranks: int) -> None:
        self.loader = loader
        self.batch_size = int(loader.batch_size)
        dealt = clips // self.batch_size // ranks
        if ranks > 1 and not dealt:
            each = f"{ranks} processes and batches of {self.batch_size} each"
            raise RunFailure(f"{clips} training clips are too few for {each}")
        self.batches = dealt + -(-(clips - dealt * ranks * self.batch_size) // self.batch_size)
        self.epoch = self.given = 0
        self._resumed: dict[str, int] = {}

    @property
    def sampler(self) -> "StreamedLoader":
        """Whom Lightning gives the epoch."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """The epoch whose order the next iteration has."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.batches

    def state_dict(self) -> dict[str, int]:
        """The epoch, and how many of its batches were given."""
        return {"epoch": self.epoch, "given": self.given}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on after those batches, if the next epoch to be given is that one."""
        self._resumed = state

    def __iter__(self) -> Iterator[Batch]:
        resumed, self._resumed = self._resumed, {}
        self.given = resumed["given"] if resumed.get("epoch") == self.epoch else 0
        for batch in islice(self._epoch(), self.given, self.batches):
            self.given += 1
            yield batch

    def _epoch(self) -> Iterator[Batch]:
        # What litdata takes for the last epoch it gave.
        self.loader.current_epoch = self.epoch
        missing, first = self.batches - len(self.loader), list[Batch]()
        for batch in self.loader:
            if len(first) < missing:
                first.append(batch)
            yield batch
        yield from cycle(first)


class StreamedDataModule(EmbeddingDataModule):
    """Training clips that are streamed from a copy of a store that `embed --stream` wrote; all others are in memory.

    Args:
        stream: folder or URL, such as s3://bucket/streamed, of the copy.
        media: folder of the clips; when not given, their files are where they were when they were embedded.
        batch_size: clips in a batch, over all devices and nodes.
        seed: of the order of training.
        encoder: as of EmbeddingDataModule.
        workers: processes that read ahead, of each process that trains.
        cache: folder for the chunks that were read; litdata's own when not given.
        cache_size: how much of them is kept, such as 25GB.
        splits: which split is tested. The held out clips are those of the data that wrote the copy.
    """

    def __init__(
        self,
        stream: str,
        media: str | None = None,
        batch_size: int = 64,
        seed: int = 0,
        encoder: str | dict[str, str] | None = None,
        workers: int = 2,
        cache: str | None = None,
        cache_size: str = "25GB",
        splits: Splits = Splits(),  # noqa: B008
    ) -> None:
        super().__init__(f"{stream}/{EVALUATED}", media, None, batch_size, seed, encoder, splits)
        self.stream = str(stream)
        self.workers = workers
        self.cache = cache
        self.cache_size = cache_size

    @cached_property
    def training_clips(self) -> TrainingClips:
        """UsageError where there is no copy, or it was not written to its end."""
        folder = Folder(self.stream)
        if FACTS not in folder.names():
            raise UsageError(f"{self.stream} is no streamed copy of a store: it has no {FACTS}, which is written last")
        try:
            return TrainingClips(**json.loads(folder.read(FACTS)))
        except (TypeError, ValueError) as error:
            raise RunFailure(f"{self.stream}/{FACTS} is damaged ({error}); write the copy again") from error

    def used_clips(self, stage: str) -> dict[str, dict[str, Any]]:
        """As of all data; the training clips as they were counted when the copy was written."""
        trained = {TRAIN: asdict(self.training_clips)} if stage == "fit" else {}
        return trained | super().used_clips(stage)

    def train_dataloader(self) -> Any:
        """Training batches."""
        from litdata import StreamingDataLoader, StreamingDataset

        ranks = self._rank_and_ranks()[1]
        share = share_of_batch(self.batch_size, ranks)
        dataset = StreamingDataset(
            f"{self.stream.rstrip('/')}/{TRAIN}",
            cache_dir=self.cache,
            shuffle=True,
            drop_last=False,
            seed=self.seed,
            max_cache_size=self.cache_size,
            # The order within a chunk is anew from end to end.
            item_shuffle_window=0,
        )
        loader = StreamingDataLoader(
            dataset, batch_size=share, num_workers=self.workers, collate_fn=as_batch, generator=torch.Generator()
        )
        return StreamedLoader(loader, self.training_clips.clips, ranks)

    def _splits(self, stage: str) -> list[str]:
        return [split for split in super()._splits(stage) if split != TRAIN]
