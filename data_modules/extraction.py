"""From media files to the embedding store in three stages: decode (processors), embed (devices) and write.

The stages know nothing of who runs them. That is an engine: `embed_here` runs them in this process, and is what each
process of a group, and each `--shard`, does with its share; `ray_engine` runs them on a Ray cluster.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from v2a_lightning.data_modules.clips import Clip, Reject, file_stamp
from v2a_lightning.data_modules.encoders import Encoders
from v2a_lightning.data_modules.shares import Share
from v2a_lightning.data_modules.store import EmbeddingStore, StoreWriter
from v2a_lightning.errors import UsageError
from v2a_lightning.media import ClipRequest, DecodedClip, Decoder, MediaError, MediaPath, decode_clip, prefetch
from v2a_lightning.media.frames import Backend
from v2a_lightning.processes import cores
from v2a_lightning.progress import progress

# After so many batches' worth of rejects what is there goes on, so that a kill loses little of it.
REJECTED_BATCHES = 8


@dataclass(frozen=True)
class Decoding:
    """How clips are decoded.

    Args:
        num_workers: decoding processes of each process that embeds; by default one for each processor, of which the
            processes of a machine have equal shares.
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
    clips: int = 0
    """How many it is about."""

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


class Wanted(NamedTuple):
    """A clip whose frames, sound or both are to be embedded."""

    clip: Clip
    frames: bool
    audio: bool


@dataclass(frozen=True)
class EmbedStage:
    """Sends decoded clips through the encoders, `batch_size` at a time."""

    encoders: Encoders
    batch_size: int

    def __call__(self, batch: Decoded) -> EmbeddedBatch:
        """Embed a decoded batch.

        A batch that is not full is filled with copies of its last clip, since a matrix product of another size may sum
        in another order: so a clip's embedding does not depend on which others are left out or were embedded before.
        """
        usable = [(clip, outcome) for clip, outcome in batch if isinstance(outcome, DecodedClip)]
        framed = [(clip, one.frames) for clip, one in usable if one.frames is not None]
        sounded = [(clip, one.waveform) for clip, one in usable if one.waveform is not None]
        failures = [(clip, outcome) for clip, outcome in batch if isinstance(outcome, MediaError)]
        embedded = EmbeddedBatch([], [], [_reject(clip, failure) for clip, failure in failures], len(batch))
        if framed:
            frames = self.encoders.embed_frames(self._filled([frames for _, frames in framed]))
            for (clip, _), parts in zip(framed, frames, strict=False):
                embedded.frames.append((clip, {name: part.cpu().numpy() for name, part in parts.items()}))
        if sounded:
            labels = self._filled([clip.label for clip, _ in sounded])
            targets = self.encoders.embed_waveforms(self._filled([waveform for _, waveform in sounded]), labels)
            embedded.audio.extend((clip, row.cpu().numpy()) for (clip, _), row in zip(sounded, targets, strict=False))
        return embedded

    def batches(self, decoded: Iterable[tuple[Clip, DecodedClip | MediaError]]) -> Iterator[Decoded]:
        """Decoded clips in batches of `batch_size` usable ones."""
        batch: Decoded = []
        rejected = 0
        for clip, outcome in decoded:
            batch.append((clip, outcome))
            rejected += isinstance(outcome, MediaError)
            if max(len(batch) - rejected, rejected // REJECTED_BATCHES) >= self.batch_size:
                yield batch
                batch, rejected = [], 0
        if batch:
            yield batch

    def _filled(self, items: list[Any]) -> list[Any]:
        return items + items[-1:] * (self.batch_size - len(items))


@dataclass(frozen=True)
class Extraction:
    """What is to be embedded: `clips` are all that the store should hold and that have a file."""

    store: EmbeddingStore
    encoders: Encoders
    clips: Sequence[Clip]
    decoding: Decoding

    @property
    def embed(self) -> EmbedStage:
        """The stage that runs on a device."""
        return EmbedStage(self.encoders, self.decoding.encoder_batch_size)

    def pending(self, share: Share = Share()) -> list[Wanted]:  # noqa: B008
        """The clips of a share that lack frames, sound or both.

        Clips are dealt out before it is looked up what is done, since other processes may have begun to write.
        """
        spec = self.encoders.spec()
        framed = self.store.complete(spec.by_encoder.values())
        sounded = framed if spec.audio is None else self.store.clip_ids(spec.audio)
        rejects = self.store.rejects(spec, framed & sounded)
        wants = [Wanted(one, one.clip_id not in framed, one.clip_id not in sounded) for one in share.of(self.clips)]
        return [want for want in wants if (want.frames or want.audio) and not _is_final(want.clip, rejects)]

    def requests(self, pending: Sequence[Wanted]) -> list[ClipRequest]:
        """What is wanted of each clip's file."""
        # Only where frames are wanted, so that no encoder is loaded for nothing.
        size = self.encoders.picture_size() if any(want.frames for want in pending) else None
        return [self.request(*want, size) for want in pending]

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

    def refuse_other_files(self) -> None:
        """Raises UsageError, naming both, when the store has another file's embedding under a clip's id."""
        embedded = self.store.paths(self.encoders.spec().towers[0])
        for clip in self.clips:
            if clip.clip_id in embedded and _is_another_file(embedded[clip.clip_id], clip.path):
                raise UsageError(
                    f"{self.store.url} has the embedding of {embedded[clip.clip_id]} under the id {clip.clip_id}, and "
                    f"{clip.path} is another file; give another data.store"
                )


Engine = Callable[[Extraction, Share], None]
"""Embeds the pending clips of a share; however it ends, what was embedded is written."""


def embed_here(extraction: Extraction, share: Share) -> None:
    """The engine of one process, with a progress bar in the first one of several."""
    pending = extraction.pending(share)
    if not pending:
        return
    clips, requests = [want.clip for want in pending], extraction.requests(pending)
    title = "embedding clips" if share.count == 1 else f"embedding clips (share {share})"
    with (
        progress(title, len(pending)) as advance,
        extraction.store.writer(extraction.encoders.spec(), share.index) as writer,
        Decoder(decode_clip, min(extraction.decoding.workers, len(pending)), extraction.decoding.timeout) as decoder,
    ):
        decoded = zip(clips, decoder.map(requests), strict=True)
        for batch in prefetch(extraction.embed.batches(decoded), depth=2, stop=decoder.close):
            extraction.embed(batch).write(writer)
            advance(len(batch))


def _is_final(clip: Clip, rejects: dict[str, Reject]) -> bool:
    return clip.clip_id in rejects and rejects[clip.clip_id].is_final(clip.path)


def _reject(clip: Clip, failure: MediaError) -> Reject:
    assert clip.path is not None
    return Reject(clip.clip_id, str(clip.path), failure.reason, failure.detail, file_stamp(clip.path))


def _is_another_file(embedded: str, path: MediaPath | None) -> bool:
    """Whether what was embedded is still there and is not this file. Files that were moved or copied are the same."""
    try:
        return os.stat(embedded).st_size != os.stat(str(path)).st_size
    except OSError:
        return False
