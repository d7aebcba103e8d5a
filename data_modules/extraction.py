"""From media files to the embedding store in three stages: decode (in processes, ahead), embed and write."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from v2a_lightning.data_modules.clips import Clip, Reject, file_stamp
from v2a_lightning.data_modules.encoders import Encoders
from v2a_lightning.data_modules.store import EmbeddingStore, StoreWriter
from v2a_lightning.errors import UsageError
from v2a_lightning.media import ClipRequest, DecodedClip, MediaError, WorkerPool, decode_clip, prefetch
from v2a_lightning.media.frames import Backend
from v2a_lightning.processes import cores
from v2a_lightning.progress import progress

# After so many batches' worth of rejects what is there goes on, so that a kill loses little of it.
REJECTED_BATCHES = 8


@dataclass(frozen=True)
class Decoding:
    """How clips are decoded.

    Args:
        num_workers: decoding processes; by default one for each processor.
        timeout: seconds that decoding one clip may take before its process is killed and the clip rejected.
        encoder_batch_size: clips that go through a process's encoders together.
        keep_still: use clips whose picture never changes.
        backend: the picture decoder.
    """

    num_workers: int | None = None
    timeout: float = 60.0
    encoder_batch_size: int = 16
    keep_still: bool = True
    backend: Backend = "pyav"

    def __post_init__(self) -> None:
        if self.timeout <= 0 or self.encoder_batch_size < 1:
            raise UsageError(f"data.decoding: timeout and encoder_batch_size are above 0, not {self}")

    @property
    def workers(self) -> int:
        """Number of decoding processes."""
        return cores() if self.num_workers is None else max(1, self.num_workers)


Decoded = list[tuple[Clip, DecodedClip | MediaError]]
"""A batch of clips, each with its frames and sound, or why it cannot be used."""


@dataclass
class EmbeddedBatch:
    """Rows for a store: (clip, (T, D) by encoder) and (clip, (N, D)) as arrays."""

    frames: list[tuple[Clip, dict[str, NDArray[np.float32]]]]
    audio: list[tuple[Clip, NDArray[np.float32]]]
    rejects: list[Reject]

    def write(self, writer: StoreWriter) -> None:
        """Add everything to a store. A clip with an embedding that is not finite is rejected, and may be tried again:
        its file or the encoder may be the cause."""
        everything: dict[str, Sequence[tuple[Clip, Any]]] = {"frames": self.frames, "sound": self.audio}
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


@dataclass(frozen=True)
class Extraction:
    """What is to be embedded: `clips` are all that the store should hold and that have a file."""

    store: EmbeddingStore
    encoders: Encoders
    clips: Sequence[Clip]
    decoding: Decoding

    def pending(self, rank: int = 0, ranks: int = 1) -> list[tuple[Clip, bool, bool]]:
        """This process's clips that lack frames, sound or both: (clip, wants frames, wants audio).

        Clips are dealt out before it is looked up what is done, since other processes may have begun to write.
        """
        spec = self.encoders.spec()
        framed = self.store.complete(spec.by_encoder.values())
        sounded = framed if spec.audio is None else self.store.clip_ids(spec.audio)
        rejected = {clip_id for clip_id, reject in self.store.rejects(spec).items() if reject.is_final}
        mine = sorted(self.clips, key=lambda clip: clip.clip_id)[rank::ranks]
        wants = [(clip, clip.clip_id not in framed, clip.clip_id not in sounded) for clip in mine]
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

    def run(self, rank: int = 0, ranks: int = 1) -> None:
        """Embed this process's share of what is pending; the first process shows a progress bar.

        However it ends, decoding stops and what was embedded is written.
        """
        pending = self.pending(rank, ranks)
        if not pending:
            return
        # Only now, so that nothing is loaded when there is nothing to do.
        size = self.encoders.picture_size() if any(wants_frames for _, wants_frames, _ in pending) else None
        requests = [self.request(*want, size) for want in pending]
        workers = min(self.decoding.workers, len(pending))
        title = "embedding clips" if ranks == 1 else "embedding clips (the first process's share)"
        with (
            progress(title, len(pending)) as advance,
            self.store.writer(self.encoders.spec(), rank) as writer,
            WorkerPool(decode_clip, workers, self.decoding.timeout) as pool,
        ):
            batches = self._batches([clip for clip, _, _ in pending], pool.map(requests))
            for batch in prefetch(batches, depth=2, stop=pool.close):
                self.embed(batch).write(writer)
                advance(len(batch))

    def _batches(self, clips: Sequence[Clip], outcomes: Iterator[DecodedClip | MediaError]) -> Iterator[Decoded]:
        batch: Decoded = []
        rejected = 0
        for clip, outcome in zip(clips, outcomes, strict=True):
            batch.append((clip, outcome))
            rejected += isinstance(outcome, MediaError)
            if max(len(batch) - rejected, rejected // REJECTED_BATCHES) >= self.decoding.encoder_batch_size:
                yield batch
                batch, rejected = [], 0
        if batch:
            yield batch

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

    def embed(self, batch: Decoded) -> EmbeddedBatch:
        """Send a decoded batch through the encoders.

        A batch that is not full is filled with copies of its last clip, since a matrix product of another size may sum
        in another order: so a clip's embedding does not depend on which others are left out or were embedded before.
        """
        usable = [(clip, outcome) for clip, outcome in batch if isinstance(outcome, DecodedClip)]
        framed = [(clip, one.frames) for clip, one in usable if one.frames is not None]
        sounded = [(clip, one.waveform) for clip, one in usable if one.waveform is not None]
        failures = [(clip, outcome) for clip, outcome in batch if isinstance(outcome, MediaError)]
        embedded = EmbeddedBatch([], [], [_reject(clip, failure) for clip, failure in failures])
        if framed:
            frames = self.encoders.embed_frames(self._filled([frames for _, frames in framed]))
            for (clip, _), parts in zip(framed, frames, strict=False):
                embedded.frames.append((clip, {name: part.cpu().numpy() for name, part in parts.items()}))
        if sounded:
            labels = self._filled([clip.label for clip, _ in sounded])
            targets = self.encoders.embed_waveforms(self._filled([waveform for _, waveform in sounded]), labels)
            embedded.audio.extend((clip, row.cpu().numpy()) for (clip, _), row in zip(sounded, targets, strict=False))
        return embedded

    def _filled(self, items: list[Any]) -> list[Any]:
        return items + items[-1:] * (self.decoding.encoder_batch_size - len(items))


def _reject(clip: Clip, failure: MediaError) -> Reject:
    return Reject(clip.clip_id, str(failure.path), failure.reason, failure.detail, file_stamp(failure.path))


def _is_another_file(embedded: str, path: Path | None) -> bool:
    """Whether what was embedded is still there and is not this file. Files that were moved or copied are the same."""
    try:
        return os.stat(embedded).st_size != os.stat(str(path)).st_size
    except OSError:
        return False
