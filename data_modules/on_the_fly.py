"""Without a store: clips are decoded for every batch and go through the frozen encoders on the batch's device."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from v2a_lightning.data_modules.clips import Clip
from v2a_lightning.data_modules.encoders import Encoders
from v2a_lightning.data_modules.extraction import Extraction
from v2a_lightning.data_modules.table import Batch
from v2a_lightning.encoders.base import SOLE
from v2a_lightning.errors import RunFailure
from v2a_lightning.media import ClipRequest, DecodedClip, MediaError, WorkerPool, decode_clip


class DecodedDataset(Dataset[Batch]):
    """Clips as raw frames and waveforms; `__getitems__` gives a whole batch."""

    def __init__(self, clips: Sequence[Clip], extraction: Extraction) -> None:
        self.clips = list(clips)
        size = extraction.encoders.picture_size()
        self.requests = [extraction.request(clip, True, True, size) for clip in clips]
        self.timeout = extraction.decoding.timeout
        self._pool: WorkerPool[ClipRequest, DecodedClip] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Another process needs a decoding process of its own."""
        return {**self.__dict__, "_pool": None}

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> Batch:
        return self.__getitems__([index])

    def __getitems__(self, indices: list[int]) -> Batch:
        """A batch with `raw_frames`, a list of (T, H, W, 3), and `waveforms` (B, N); `failure` says what went wrong."""
        if self._pool is None:
            # One decoding process for each loading process: the former can be killed, the latter cannot.
            self._pool = WorkerPool(decode_clip, 1, self.timeout)
        outcomes = list(self._pool.map([self.requests[index] for index in indices]))
        if failures := [outcome for outcome in outcomes if isinstance(outcome, MediaError)]:
            return {"failure": str(failures[0])}
        decoded = [outcome for outcome in outcomes if isinstance(outcome, DecodedClip)]
        batch: Batch = {
            "clip_id": [self.clips[index].clip_id for index in indices],
            "label": [self.clips[index].label for index in indices],
            "raw_frames": [torch.tensor(one.frames) for one in decoded],
        }
        waveforms = [torch.from_numpy(one.waveform) for one in decoded if one.waveform is not None]
        return {**batch, "waves": torch.stack(waveforms)} if waveforms else batch


def embed_batch(batch: Batch, encoders: Encoders) -> Batch:
    """Replace raw frames and waveforms by their embeddings: then the batch is as a store would give it.

    RunFailure when a clip that was usable before the run is so no longer, or an embedding is not finite.
    """
    if "failure" in batch:
        raise RunFailure(f"{batch['failure']}; it was usable when the data was inspected")
    device = batch["raw_frames"][0].device
    parts = encoders.to(device).embed_frames(batch["raw_frames"])
    frames = {name: pad_sequence([part[name] for part in parts], batch_first=True).to(device) for name in parts[0]}
    lengths = torch.tensor([len(clip) for clip in batch["raw_frames"]], device=device)
    embedded: dict[str, Any] = {
        "clip_id": batch["clip_id"],
        "label": batch["label"],
        "frames": frames.get(SOLE, frames),
        "frame_mask": torch.arange(int(lengths.max()), device=device) < lengths[:, None],
    }
    if "waves" in batch:
        embedded["target"] = encoders.embed_waveforms(list(batch["waves"]), batch["label"]).to(device)
    tables = [*frames.values(), *([embedded["target"]] if "waves" in batch else [])]
    finite = torch.stack([table.isfinite().flatten(1).all(1) for table in tables]).all(0)
    if named := [clip_id for clip_id, is_finite in zip(batch["clip_id"], finite, strict=True) if not is_finite]:
        raise RunFailure(f"the embeddings of these clips are not finite: {', '.join(named)}")
    return embedded
