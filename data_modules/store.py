"""The embedding store: what the frozen encoders made of each clip, kept so that they run once.

A store is a folder of Parquet shards. Each encoder has a part of it to itself, named after the encoder's fingerprint
and after which frames or which sound it was shown:

    frames-<digest>/part-*.parquet    clip_id, label, split, path, num_frames, frames (T * width numbers)
    audio-<digest>/part-*.parquet     clip_id, audio (width numbers)
    rejects-<digest>/part-*.parquet   clip_id, path, reason, detail, stamp
    rejects.csv                       the rejected clips, to read

So clips or an encoder that come later cost only their own work, and embeddings of different encoders never mix.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from data_modules.folders import Folder
from data_modules.shards import ShardWriter, read_shards, shard_metadata
from v2a_lightning.errors import UsageError

Kind = Literal["frames", "audio"]
Precision = Literal["float16", "float32"]
ADD_ENCODER = "python -m v2a_lightning embed --add_encoder true"
METADATA_KEY = "v2a_tower"
REJECT_COLUMNS = ("clip_id", "path", "reason", "detail", "stamp")


@dataclass(frozen=True)
class Tower:
    """One encoder and what it is shown.

    Args:
        kind: what it embeds.
        encoder: its name, for people.
        fingerprint: of its weights and preprocessing.
        spec: key of the FrameSpec or AudioSpec.
    """

    kind: Kind
    encoder: str
    fingerprint: str
    spec: str

    @property
    def digest(self) -> str:
        """What two towers share exactly when their embeddings may be mixed."""
        identity = json.dumps([self.kind, self.fingerprint, self.spec])
        return hashlib.sha256(identity.encode()).hexdigest()[:12]

    @property
    def subfolder(self) -> str:
        """The tower's part of the store."""
        return f"{self.kind}-{self.digest}"

    def __str__(self) -> str:
        return f"{self.encoder} [{self.fingerprint[:12]}] on {self.spec}"


@dataclass(frozen=True)
class StoreSpec:
    """The embeddings that a run works with. `audio` is None for clips without sound."""

    frames: Tower
    audio: Tower | None = None

    @property
    def towers(self) -> tuple[Tower, ...]:
        """The towers there are."""
        return (self.frames,) if self.audio is None else (self.frames, self.audio)

    @property
    def content(self) -> str:
        """Digest of what is looked at, whoever looks: clips are rejected for the former."""
        key = json.dumps([tower.spec for tower in self.towers])
        return hashlib.sha256(key.encode()).hexdigest()[:12]

    @property
    def rejects(self) -> str:
        """Subfolder of the rejected clips."""
        return f"rejects-{self.content}"


@dataclass(frozen=True)
class Reject:
    """A clip that is not used.

    Args:
        clip_id: the clip.
        path: its file, or where it should be.
        reason: one of `v2a_lightning.media.Reason`.
        detail: what was found.
        stamp: size and time of the file; a file that has changed since is tried again.
    """

    clip_id: str
    path: str
    reason: str
    detail: str = ""
    stamp: str = ""

    @property
    def is_final(self) -> bool:
        """Whether trying again would end the same way."""
        return self.reason != "timeout" and self.stamp == file_stamp(self.path)


def file_stamp(path: Path | str) -> str:
    """Size and modification time of a file; empty when there is none."""
    try:
        status = Path(path).stat()
    except OSError:
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}"


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
        """Every encoder of a kind whose embeddings are here."""
        subfolders = [name for name in self.folder.names() if name.startswith(f"{kind}-")]
        descriptions = [shard_metadata(self.folder, name).get(METADATA_KEY) for name in subfolders]
        return [Tower(**json.loads(description)) for description in descriptions if description]

    def refuse_others(self, spec: StoreSpec) -> None:
        """Raises UsageError, naming both, when the store was made with other encoders or specs than `spec`."""
        for wanted in spec.towers:
            there = self.towers(wanted.kind)
            if there and wanted.digest not in {tower.digest for tower in there}:
                raise UsageError(
                    f"{self.url} holds {wanted.kind} embeddings of {' and of '.join(map(str, there))}, but the config "
                    f"names {wanted}; give another data.store, or add them with `{ADD_ENCODER}`"
                )

    def only_spec(self) -> StoreSpec:
        """The spec of a store that holds one set of embeddings.

        Raises:
            UsageError: when it holds none, or several.
        """
        frames, audio = self.towers("frames"), self.towers("audio")
        if not frames:
            raise UsageError(f"{self.url} is no embedding store: it has no frames-*/*.parquet")
        if len(frames) > 1 or len(audio) > 1:
            several = "; ".join(map(str, frames + audio))
            raise UsageError(
                f"{self.url} holds embeddings of several encoders ({several}); say which with clip and clap"
            )
        return StoreSpec(frames[0], audio[0] if audio else None)

    def clip_ids(self, tower: Tower) -> set[str]:
        """The clips a tower has embedded."""
        tables = read_shards(self.folder, tower.subfolder, ["clip_id"])
        return {clip_id for table in tables for clip_id in table["clip_id"].to_pylist()}

    def rejects(self, spec: StoreSpec) -> dict[str, Reject]:
        """The rejected clips by their id, except those that were embedded later."""
        tables = read_shards(self.folder, spec.rejects, REJECT_COLUMNS)
        found = {row["clip_id"]: Reject(**row) for table in tables for row in table.to_pylist()}
        embedded = set.intersection(*(self.clip_ids(tower) for tower in spec.towers)) if found else set()
        return {clip_id: reject for clip_id, reject in found.items() if clip_id not in embedded}

    def write_rejects_csv(self, rejects: Iterable[Reject]) -> None:
        """Write the list that people read."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["clip_id", "path", "reason", "detail"])
        table.writerows([one.clip_id, one.path, one.reason, one.detail] for one in rejects)
        self.folder.write("rejects.csv", text.getvalue().encode())

    def writer(self, spec: StoreSpec, rank: int = 0) -> "StoreWriter":
        """A writer for one process."""
        return StoreWriter(self, spec, rank)


class StoreWriter:
    """Adds clips to a store, as one of any number of processes."""

    def __init__(self, store: EmbeddingStore, spec: StoreSpec, rank: int) -> None:
        numbers = pa.list_(pa.float16() if store.precision == "float16" else pa.float32())
        text = pa.string()
        frames = {
            "clip_id": text,
            "label": text,
            "split": text,
            "path": text,
            "num_frames": pa.int32(),
            "frames": numbers,
        }
        self._frames = self._shards(store, spec.frames, frames, rank)
        self._audio = self._shards(store, spec.audio, {"clip_id": text, "audio": numbers}, rank) if spec.audio else None
        rejects = dict.fromkeys(REJECT_COLUMNS, text)
        self._rejects = ShardWriter(store.folder, spec.rejects, rejects, {}, rank, seconds=store.flush_seconds)

    @staticmethod
    def _shards(store: EmbeddingStore, tower: Tower, schema: dict[str, Any], rank: int) -> ShardWriter:
        metadata = {METADATA_KEY: json.dumps(asdict(tower))}
        return ShardWriter(store.folder, tower.subfolder, schema, metadata, rank, seconds=store.flush_seconds)

    def __enter__(self) -> "StoreWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    def add_frames(self, clip_id: str, label: str, split: str, path: str, frames: Any) -> None:
        """Add a clip's frame embeddings (T, D)."""
        row = {"clip_id": clip_id, "label": label, "split": split, "path": path, "num_frames": len(frames)}
        self._frames.append({**row, "frames": frames})

    def add_audio(self, clip_id: str, audio: Any) -> None:
        """Add a clip's audio embedding (D,)."""
        assert self._audio is not None, "this spec has no audio"
        self._audio.append({"clip_id": clip_id, "audio": audio})

    def add_reject(self, reject: Reject) -> None:
        """Note a clip that cannot be used."""
        self._rejects.append(asdict(reject))

    def flush(self) -> None:
        """Write everything that was added."""
        for shards in (self._frames, self._audio, self._rejects):
            if shards is not None:
                shards.flush()
