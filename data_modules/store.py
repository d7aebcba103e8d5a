"""The embedding store: each clip's embeddings by the frozen encoders, which so run once.

A store is a folder of Parquet shards. Each encoder has a part of it to itself, named after the encoder's fingerprint
and after which frames or which sound it was given:

    frames-<digest>/part-*.parquet    clip_id, label, split, path, num_frames, frames (T * width numbers)
    audio-<digest>/part-*.parquet     clip_id, audio (tokens * width numbers): the target
    rejects-<digest>/part-*.parquet   clip_id, path, reason, detail, stamp
    index-*.json                      rows, size and checksum of each shard
    rejects.csv                       the rejected clips, to read

So clips or an encoder that come later cost only their own work, and embeddings of different encoders never mix.
"""

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from v2a_lightning.data_modules.clips import Reject
from v2a_lightning.data_modules.folders import Folder
from v2a_lightning.data_modules.shards import (
    IndexWriter,
    Shard,
    ShardWriter,
    damaged,
    lost_shards,
    mend_index,
    read_shards,
)
from v2a_lightning.data_modules.towers import Kind, StoreSpec, Tower
from v2a_lightning.encoders.base import SOLE
from v2a_lightning.errors import UsageError
from v2a_lightning.files import refuse_unsafe_id

Precision = Literal["float16", "float32"]
ADD_ENCODER = "python -m v2a_lightning embed --add_encoder true"
METADATA_KEY = "v2a_tower"
REJECT_COLUMNS = ("clip_id", "path", "reason", "detail", "stamp")


class EmbeddingStore:
    """A store at a path or fsspec URL; it need not exist yet.

    Args:
        url: local folder, or a URL such as s3://bucket/folder.
        precision: in which new embeddings are written. Those that are there are read in theirs.
        flush_seconds: how much work a killed process loses at most.
    """

    def __init__(self, url: str | Path, precision: Precision = "float16", flush_seconds: float = 60.0) -> None:
        self.folder = Folder(str(url))
        self.precision = precision
        self.flush_seconds = flush_seconds

    @property
    def url(self) -> str:
        """Where the store is."""
        return self.folder.url

    def towers(self, kind: Kind) -> list[Tower]:
        """Every encoder of a kind whose embeddings are here; RunFailure when a shard is damaged or lost."""
        parts = [name for name in self.folder.names() if name.startswith(f"{kind}-")]
        return [self._tower(shard) for name in parts for shard in islice(read_shards(self.folder, name, []), 1)]

    def _tower(self, shard: Shard) -> Tower:
        try:
            tower = Tower.described(shard.metadata.get(METADATA_KEY, "nothing"))
        except ValueError as error:
            raise damaged(self.folder, shard.path, error) from error
        if not shard.path.startswith(f"{tower.subfolder}/"):
            raise damaged(self.folder, shard.path, f"it holds embeddings of {tower.encoder}, not of its folder")
        return tower

    def mend(self) -> None:
        """Log and forget lost shards, and list those that are not yet; see `mend_index`."""
        mend_index(self.folder)

    @property
    def has_lost_shards(self) -> bool:
        """Whether shards that were written are there no more."""
        return bool(lost_shards(self.folder))

    def shards(self, tower: Tower, columns: Sequence[str], whole: bool = False) -> Iterator[Shard]:
        """Some columns of an encoder's shards, as `read_shards`; RunFailure for a shard of another encoder."""
        for shard in read_shards(self.folder, tower.subfolder, columns, whole):
            self._tower(shard)
            yield shard

    def refuse_others(self, spec: StoreSpec) -> None:
        """Raises UsageError, naming both, when the store was made with other encoders or specs than `spec`."""
        for wanted in spec.towers:
            there = self.towers(wanted.kind)
            if there and wanted.digest not in {tower.digest for tower in there}:
                raise UsageError(
                    f"{self.url} holds {wanted.kind} embeddings of {' and of '.join(map(str, there))}, but the config "
                    f"names {wanted}; give another data.store, or add them with `{ADD_ENCODER}`"
                )

    def only_spec(self, encoders: Mapping[str, str] | None = None) -> StoreSpec:
        """The spec of a store that holds one set of embeddings, or of some of its encoders of frames.

        These are names, such as `clip:miniature`, by the keys they are to have in batches; UsageError when the store
        has none of a name, or several.
        """
        frames, audio = self.towers("frames"), self.towers("audio")
        if not frames:
            raise UsageError(f"{self.url} is no embedding store: it has no frames-*/*.parquet")
        named = {key: [one for one in frames if one.encoder == name] for key, name in (encoders or {}).items()}
        if any(len(found) != 1 for found in (named or {SOLE: frames}).values()) or len(audio) > 1:
            several = "; ".join(map(str, frames + audio))
            raise UsageError(
                f"{self.url} holds embeddings of several encoders ({several}), or not of the named one; name one "
                "with data.encoder, or give the data module of the media with encoder and clap"
            )
        chosen = {key: found[0] for key, found in (named or {SOLE: frames}).items()}
        return StoreSpec(chosen.get(SOLE, chosen), audio[0] if audio else None)

    def clip_ids(self, tower: Tower) -> set[str]:
        """The clips a tower has embedded."""
        return {one for shard in self.shards(tower, ["clip_id"]) for one in shard.table["clip_id"].to_pylist()}

    def complete(self, towers: Iterable[Tower]) -> set[str]:
        """The clips that all of some towers have embedded."""
        return set.intersection(*(self.clip_ids(tower) for tower in towers))

    def paths(self, tower: Tower) -> dict[str, str]:
        """The clips of an encoder of frames, with the files they were when they were embedded."""
        rows = (row for shard in self.shards(tower, ["clip_id", "path"]) for row in shard.table.to_pylist())
        return {row["clip_id"]: row["path"] for row in rows}

    def rejects(self, spec: StoreSpec, embedded: Collection[str] | None = None) -> dict[str, Reject]:
        """The rejected clips by their id, except those that were embedded later: these are read unless given."""
        shards = read_shards(self.folder, spec.rejects, REJECT_COLUMNS)
        found = {row["clip_id"]: Reject(**row) for shard in shards for row in shard.table.to_pylist()}
        if embedded is None:
            embedded = self.complete(spec.towers) if found else set()
        later = found.keys() & embedded
        return {clip_id: reject for clip_id, reject in found.items() if clip_id not in later}

    def write_rejects_csv(self, rejects: Iterable[Reject]) -> None:
        """Write the list that people read."""
        text = io.StringIO()
        table = csv.DictWriter(text, REJECT_COLUMNS[:-1], extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows(map(asdict, rejects))
        self.folder.write("rejects.csv", text.getvalue().encode())

    def writer(self, spec: StoreSpec, rank: int = 0) -> "StoreWriter":
        """A writer for one process."""
        return StoreWriter(self, spec, rank)


class StoreWriter:
    """Adds clips to a store, as one of any number of processes."""

    def __init__(self, store: EmbeddingStore, spec: StoreSpec, rank: int) -> None:
        self._dtype = np.dtype(store.precision)
        numbers, index = pa.list_(pa.from_numpy_dtype(self._dtype)), IndexWriter(store.folder, rank)

        def shards(subfolder: str, schema: dict[str, pa.DataType], metadata: Mapping[str, str]) -> ShardWriter:
            seconds = store.flush_seconds
            return ShardWriter(store.folder, subfolder, schema, metadata, rank, seconds=seconds, written=index.add)

        def embeddings(tower: Tower, columns: dict[str, pa.DataType]) -> ShardWriter:
            schema = {"clip_id": pa.string(), **columns, tower.kind: numbers}
            return shards(tower.subfolder, schema, {METADATA_KEY: tower.description})

        facts = {**dict.fromkeys(("label", "split", "path"), pa.string()), "num_frames": pa.int32()}
        towers = spec.by_encoder
        self._frames = {key: embeddings(tower, facts) for key, tower in towers.items()}
        # A clip that lacks one of several encoders goes through all of them again.
        self._there = {key: store.clip_ids(tower) for key, tower in towers.items()} if len(towers) > 1 else {}
        self._audio = None if spec.audio is None else embeddings(spec.audio, {})
        self._rejects = shards(spec.rejects, dict.fromkeys(REJECT_COLUMNS, pa.string()), {})

    def __enter__(self) -> "StoreWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    def can_hold(self, embedding: NDArray[Any] | Mapping[str, NDArray[Any]]) -> bool:
        """Whether every number is finite, in the precision of the store too."""
        parts = embedding.values() if isinstance(embedding, Mapping) else [embedding]
        with np.errstate(over="ignore"):
            return all(bool(np.isfinite(np.asarray(part, self._dtype)).all()) for part in parts)

    def add_frames(self, clip_id: str, label: str, split: str, path: str, frames: Any) -> None:
        """Add a clip's frame embeddings (T, D), of several encoders by their names.

        ValueError when they are not finite, UsageError when the id cannot be the name of a file.
        """
        parts = frames if isinstance(frames, Mapping) else {SOLE: frames}
        for key, part in parts.items():
            self._refuse(clip_id, part)
            row = {"clip_id": clip_id, "label": label, "split": split, "path": path, "num_frames": len(part)}
            if clip_id not in self._there.get(key, ()):
                self._frames[key].append({**row, "frames": part})

    def add_audio(self, clip_id: str, audio: Any) -> None:
        """Add a clip's target (N, D), or (D,) of one token; raises as `add_frames`."""
        assert self._audio is not None, "this spec has no audio"
        self._refuse(clip_id, audio)
        self._audio.append({"clip_id": clip_id, "audio": audio})

    def _refuse(self, clip_id: str, embedding: Any) -> None:
        refuse_unsafe_id(clip_id)
        if not len(embedding) or not self.can_hold(embedding):
            raise ValueError(f"the embedding of {clip_id} is empty, or holds values that are not finite")

    def add_reject(self, reject: Reject) -> None:
        """Note a clip that cannot be used."""
        self._rejects.append(asdict(reject))

    def flush(self) -> None:
        """Write everything that was added."""
        for shards in (*self._frames.values(), self._audio, self._rejects):
            if shards is not None:
                shards.flush()
