"""From media files to the embedding store: decoding in processes, encoding here, and both at the same time."""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import IterableDataset

from v2a_lightning.data_modules.clips import Clip
from v2a_lightning.data_modules.encoders import Encoders
from v2a_lightning.data_modules.locking import StoreLock
from v2a_lightning.data_modules.progress import progress
from v2a_lightning.data_modules.rejects import Reject, file_stamp
from v2a_lightning.data_modules.store import EmbeddingStore, StoreWriter
from v2a_lightning.errors import UsageError
from v2a_lightning.media import ClipRequest, DecodedClip, MediaError, WorkerPool, decode_clip, prefetch
from v2a_lightning.media.frames import Backend

# After so many batches' worth of rejects what is there goes on, so that a kill loses little of it.
REJECTED_BATCHES = 8


@dataclass(frozen=True)
class DecodingSettings:
    """How clips are decoded.

    Args:
        workers: processes.
        timeout: seconds one clip may take before its process is killed and the clip rejected.
        batch_size: clips that go through the encoders together.
        keep_still: use clips whose picture never changes.
        backend: the picture decoder.
    """

    workers: int = 2
    timeout: float = 60.0
    batch_size: int = 16
    keep_still: bool = True
    backend: Backend = "pyav"


@dataclass
class DecodedBatch:
    """Some clips, decoded; those that could not be are in `rejects`. None stands for what the store has already."""

    clips: list[Clip] = field(default_factory=list)
    frames: list[NDArray[np.uint8] | None] = field(default_factory=list)
    waves: list[NDArray[np.float32] | None] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.clips) + len(self.rejects)


@dataclass
class EmbeddedBatch:
    """Rows for a store: (clip, (T, D) by encoder) and (clip, (N, D)) as arrays; `clips` were encoded."""

    frames: list[tuple[Clip, dict[str, NDArray[np.float32]]]]
    audio: list[tuple[Clip, NDArray[np.float32]]]
    rejects: list[Reject]
    clips: int

    def write(self, writer: StoreWriter) -> None:
        """Add everything to a store. A clip with an embedding that is not finite is rejected, and may be tried again:
        whether its file or the encoder is at fault is not known."""
        everything = {"frames": self.frames, "sound": self.audio}
        broken = {
            clip.clip_id: Reject(clip.clip_id, str(clip.path), "not_finite", f"the embedding of its {what}")
            for what, rows in everything.items()
            for clip, embedding in rows
            if not writer.can_hold(embedding)
        }
        for clip, frames in self.frames:
            if clip.clip_id not in broken:
                writer.add_frames(clip.clip_id, clip.label, clip.split, str(clip.path), frames)
        for clip, audio in self.audio:
            if clip.clip_id not in broken:
                writer.add_audio(clip.clip_id, audio)
        for reject in [*self.rejects, *broken.values()]:
            writer.add_reject(reject)


class ClipStream(IterableDataset[DecodedBatch]):
    """Decodes clips in processes, ahead of whoever iterates.

    Args:
        requests: clips and what is wanted of them.
        decoding: how.
    """

    def __init__(self, requests: Sequence[tuple[Clip, ClipRequest]], decoding: DecodingSettings) -> None:
        self.requests = list(requests)
        self.decoding = decoding
        self._pool: WorkerPool[ClipRequest, DecodedClip] | None = None

    def close(self) -> None:
        """Decode no more; what is being decoded is not waited for."""
        if self._pool is not None:
            self._pool.close()

    def __getstate__(self) -> dict[str, Any]:
        """Another process has no decoding processes of this one."""
        return {**self.__dict__, "_pool": None}

    @property
    def clips(self) -> int:
        """Number of clips in all batches."""
        return len(self.requests)

    def __iter__(self) -> Iterator[DecodedBatch]:
        return prefetch(self._batches(), depth=2, stop=self.close)

    def _batches(self) -> Iterator[DecodedBatch]:
        if not self.requests:
            return
        workers = min(self.decoding.workers, len(self.requests))
        with WorkerPool(decode_clip, workers, self.decoding.timeout) as pool:
            self._pool = pool
            outcomes = pool.map(request for _, request in self.requests)
            batch = DecodedBatch()
            for (clip, _), outcome in zip(self.requests, outcomes, strict=True):
                _take(batch, clip, outcome)
                if max(len(batch.clips), len(batch.rejects) // REJECTED_BATCHES) >= self.decoding.batch_size:
                    yield batch
                    batch = DecodedBatch()
            if len(batch):
                yield batch


def _take(batch: DecodedBatch, clip: Clip, outcome: DecodedClip | MediaError) -> None:
    if isinstance(outcome, MediaError):
        stamp = file_stamp(outcome.path)
        batch.rejects.append(Reject(clip.clip_id, str(outcome.path), outcome.reason, outcome.detail, stamp))
    else:
        batch.clips.append(clip)
        batch.frames.append(outcome.frames)
        batch.waves.append(outcome.wave)


@dataclass(frozen=True)
class Extraction:
    """What is to be embedded, by whom, and where it goes.

    Args:
        store: where to.
        encoders: by whom.
        clips: every clip that the store should hold and that has a file.
        decoding: how they are decoded.
    """

    store: EmbeddingStore
    encoders: Encoders
    clips: Sequence[Clip]
    decoding: DecodingSettings

    def pending(self, rank: int = 0, ranks: int = 1) -> list[tuple[Clip, bool, bool]]:
        """This process's clips that lack frames, sound or both: (clip, wants frames, wants audio).

        Clips are dealt out before it is looked up what is done, since other processes may have begun to write.
        """
        spec = self.encoders.spec()
        seen = self.store.complete(spec.by_encoder.values())
        heard = seen if spec.audio is None else self.store.clip_ids(spec.audio)
        rejected = {clip_id for clip_id, reject in self.store.rejects(spec).items() if reject.is_final}
        mine = sorted(self.clips, key=lambda clip: clip.clip_id)[rank::ranks]
        wants = [(clip, clip.clip_id not in seen, clip.clip_id not in heard) for clip in mine]
        return [want for want in wants if (want[1] or want[2]) and want[0].clip_id not in rejected]

    def refuse_other_files(self) -> None:
        """Raises UsageError, naming both, when the store has another file's embedding under a clip's id."""
        embedded = self.store.paths(self.encoders.spec().towers[0])
        for clip in self.clips:
            if clip.clip_id in embedded and _is_another_file(embedded[clip.clip_id], clip.path):
                raise UsageError(
                    f"{self.store.url} has the embedding of {embedded[clip.clip_id]} under the id {clip.clip_id}, and "
                    f"{clip.path} is another file; give another data.store"
                )

    def stream(self, rank: int = 0, ranks: int = 1) -> "ClipStream":
        """The decoded batches of what is pending for this process."""
        pending = self.pending(rank, ranks)
        # Nothing is loaded when there is nothing to do.
        size = self.encoders.picture_size() if any(wants_frames for _, wants_frames, _ in pending) else None
        requests = [(clip, self.request(clip, frames, audio, size)) for clip, frames, audio in pending]
        return ClipStream(requests, self.decoding)

    def embed(self, batch: DecodedBatch) -> EmbeddedBatch:
        """Send a decoded batch through the encoders.

        A batch that is not full is filled with copies of its last clip, since a matrix product of another size may sum
        in another order: so a clip's embedding does not depend on which others are left out or were embedded before.
        """
        seen = [(clip, frames) for clip, frames in zip(batch.clips, batch.frames, strict=True) if frames is not None]
        heard = [(clip, wave) for clip, wave in zip(batch.clips, batch.waves, strict=True) if wave is not None]
        frames = self.encoders.embed_frames(self._filled([frames for _, frames in seen]))
        labels = [clip.label for clip, _ in heard]
        waveforms = self._filled([wave for _, wave in heard])
        audio = list(self.encoders.embed_waves(waveforms, self._filled(labels))) if heard else []
        return EmbeddedBatch(
            frames=[
                (clip, {name: part.cpu().numpy() for name, part in parts.items()})
                for (clip, _), parts in zip(seen, frames, strict=False)
            ],
            audio=[(clip, row.cpu().numpy()) for (clip, _), row in zip(heard, audio, strict=False)],
            rejects=batch.rejects,
            clips=len(batch),
        )

    def _filled(self, items: list[Any]) -> list[Any]:
        return items + items[-1:] * (self.decoding.batch_size - len(items))

    def run(self, add_encoder: bool = False) -> None:
        """Do everything that is pending in this one process, with a progress bar.

        Args:
            add_encoder: put embeddings of these encoders beside those of others that the store may hold.

        Raises:
            UsageError: when the store was made with other encoders or specs, unless they are to be added.
        """
        if not add_encoder:
            self.store.refuse_others(self.encoders.spec())
        # Most runs find everything done, and need not wait for whoever writes for another data set.
        if self.store.has_lost_shards or self.pending():
            with StoreLock(self.store.folder):
                self.store.mend()
                self.refuse_other_files()
                self._embed_all(self.stream())
        else:
            self.refuse_other_files()

    def _embed_all(self, stream: ClipStream) -> None:
        if not stream.clips:
            return
        with (
            progress("embedding clips", stream.clips) as advance,
            self.store.writer(self.encoders.spec()) as writer,
            closing(stream),
        ):
            for batch in stream:
                self.embed(batch).write(writer)
                advance(len(batch))

    def request(self, clip: Clip, wants_frames: bool, wants_audio: bool, size: int | None) -> ClipRequest:
        """What is wanted of a clip's file."""
        assert clip.path is not None
        return ClipRequest(
            path=clip.path,
            frames=self.encoders.frames if wants_frames else None,
            audio=self.encoders.audio if wants_audio else None,
            keep_still=self.decoding.keep_still,
            backend=self.decoding.backend,
            picture_size=size,
        )


def _is_another_file(embedded: str, path: Path | None) -> bool:
    """Whether what was embedded is still there and is not this file. Files that were moved or copied are the same."""
    if path is None or embedded == str(path):
        return False
    try:
        there, here = os.stat(embedded), os.stat(path)
    except OSError:
        return False
    return there.st_size != here.st_size
