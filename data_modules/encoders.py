"""The frozen encoders of a run, and how decoded clips go through them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from v2a_lightning.data_modules.towers import StoreSpec, Tower
from v2a_lightning.encoders.base import SOLE, Encoder, by_name
from v2a_lightning.media import fit_picture
from v2a_lightning.specs import AudioSpec, FrameSpec
from v2a_lightning.widths import Widths


class TargetSource(Protocol):
    """Computes targets from sounds: a ClapEncoder, or a generator."""

    @property
    def name(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    def to(self, device: torch.device | str) -> Any: ...
    def target(self, waveforms: Tensor, sample_rate: int, labels: Sequence[str] | None = None) -> Tensor: ...


@dataclass(frozen=True)
class Encoders:
    """What turns frames (by one encoder, or several by name) and waveforms into embeddings; no `clap`, no sound."""

    encoder: Encoder | Mapping[str, Encoder]
    clap: TargetSource | None
    frames: FrameSpec
    audio: AudioSpec | None

    @property
    def by_name(self) -> Mapping[str, Encoder]:
        """The encoders of frames by name; one alone is named SOLE."""
        return by_name(self.encoder)

    def spec(self) -> StoreSpec:
        """What a store of their embeddings is known by."""
        towers = {key: Tower("frames", one.name, one.fingerprint, self.frames.key) for key, one in self.by_name.items()}
        frames = towers if isinstance(self.encoder, Mapping) else towers[SOLE]
        if self.clap is None or self.audio is None:
            return StoreSpec(frames)
        tokens = self._condition.tokens if self._condition else 1
        return StoreSpec(frames, Tower("audio", self.clap.name, self.clap.fingerprint, self.audio.key, tokens))

    def widths(self) -> Widths:
        """Widths of frame embeddings and targets."""
        frames, condition = {key: (one.name, one.embedding_dim) for key, one in self.by_name.items()}, self._condition
        if self.clap is None:
            return Widths(frames)
        if condition is None:
            return Widths(frames, self.clap.name, 1, self.clap.embedding_dim)  # type: ignore[attr-defined]
        return Widths(frames, self.clap.name, condition.tokens, condition.width, condition.normalized)

    @property
    def _condition(self) -> Any:
        """What a generator is conditioned on; an audio encoder has none."""
        return getattr(self.clap, "condition", None)

    def to(self, device: torch.device | str) -> "Encoders":
        """Move all to a device."""
        for encoder in self.by_name.values():
            encoder.to(device)
        if self.clap is not None:
            self.clap.to(device)
        return self

    def embed_frames(self, clips: Sequence[NDArray[np.uint8] | Tensor]) -> list[dict[str, Tensor]]:
        """Frames uint8 (T_i, H_i, W_i, 3) of several clips to (T_i, D) float32 by encoder; one size goes together."""
        sizes: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for index, clip in enumerate(clips):
            sizes[tuple(clip.shape[1:3])].append(index)
        result: list[dict[str, Tensor]] = [{} for _ in clips]
        for indices in sizes.values():
            together = torch.cat([torch.as_tensor(clips[index]) for index in indices])
            for name, encoder in self.by_name.items():
                parts = encoder.encode_frames(together).split([len(clips[index]) for index in indices])
                for index, part in zip(indices, parts, strict=True):
                    result[index][name] = part
        return result

    def embed_waveforms(self, waveforms: Sequence[NDArray[np.float32] | Tensor], labels: Sequence[str]) -> Tensor:
        """Targets (B, N, D) float32 of several clips' waveforms (samples,), with their labels."""
        assert self.clap is not None
        assert self.audio is not None
        together = torch.stack([torch.as_tensor(one) for one in waveforms])
        return self.clap.target(together, self.audio.sample_rate, labels)

    def picture_size(self) -> int | None:
        """The size to which decoding processes may bring frames, since every encoder would do exactly that next.

        Most CLIPs scale the short side to their size and crop the middle. Whether these do is tried out: None when an
        encoder's own transform gives anything else, and frames are then handed over as they were decoded.
        """
        sizes = {one.image_size for one in self.by_name.values()}
        size = sizes.pop() if len(sizes) == 1 else None
        return size if size and all(_fits_ahead(one, size) for one in self.by_name.values()) else None


def _fits_ahead(encoder: Encoder, size: int) -> bool:
    trial = np.random.default_rng(0).integers(0, 256, (2, 2, size + 37, 2 * size + 11, 3), dtype=np.uint8)
    for frames in (trial[0], np.ascontiguousarray(trial[1].transpose(0, 2, 1, 3))):
        whole = encoder.preprocess(torch.from_numpy(frames))
        fitted = encoder.preprocess(torch.from_numpy(np.stack([fit_picture(frame, size) for frame in frames])))
        if not torch.equal(whole, fitted):
            return False
    return True
