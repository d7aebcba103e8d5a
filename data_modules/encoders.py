"""The two frozen encoders, and how decoded clips go through them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from v2a_lightning.data_modules.towers import StoreSpec, Tower
from v2a_lightning.media import fit_picture
from v2a_lightning.specs import AudioSpec, FrameSpec


class FrozenEncoder(Protocol):
    """What both encoders have."""

    @property
    def name(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Any: ...


class PictureEncoder(FrozenEncoder, Protocol):
    """Such as v2a_lightning.encoders.ClipEncoder."""

    @property
    def image_size(self) -> int: ...
    def preprocess(self, frames: Tensor) -> Tensor: ...
    def encode_frames(self, frames: Tensor) -> Tensor: ...


class SoundEncoder(FrozenEncoder, Protocol):
    """Such as v2a_lightning.encoders.ClapEncoder."""

    def encode_audio(self, waves: Tensor, sample_rate: int) -> Tensor: ...


@dataclass(frozen=True)
class Encoders:
    """What turns frames and waves into embeddings.

    Args:
        clip: sees frames.
        clap: hears waves; None for data without sound.
        frames: which frames are shown.
        audio: which sound is played; None with clap.
    """

    clip: PictureEncoder
    clap: SoundEncoder | None
    frames: FrameSpec
    audio: AudioSpec | None

    def spec(self) -> StoreSpec:
        """What a store of their embeddings is known by."""
        clip, clap = self.clip, self.clap
        seen = Tower("frames", clip.name, clip.fingerprint, self.frames.key)
        if clap is None or self.audio is None:
            return StoreSpec(seen)
        return StoreSpec(seen, Tower("audio", clap.name, clap.fingerprint, self.audio.key))

    def to(self, device: torch.device | str) -> "Encoders":
        """Move both to a device."""
        self.clip.to(device)
        if self.clap is not None:
            self.clap.to(device)
        return self

    def embed_frames(self, clips: Sequence[NDArray[np.uint8] | Tensor]) -> list[Tensor]:
        """Frames uint8 (T_i, H_i, W_i, 3) of several clips to (T_i, D) float32; pictures of one size go together."""
        sizes: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for index, clip in enumerate(clips):
            sizes[tuple(clip.shape[1:3])].append(index)
        result: dict[int, Tensor] = {}
        for indices in sizes.values():
            together = torch.cat([torch.as_tensor(clips[index]) for index in indices])
            parts = self.clip.encode_frames(together).split([len(clips[index]) for index in indices])
            result.update(zip(indices, parts, strict=True))
        return [result[index] for index in range(len(clips))]

    def embed_waves(self, waves: Sequence[NDArray[np.float32] | Tensor]) -> Tensor:
        """Waves (N,) of several clips to (B, D) float32."""
        assert self.clap is not None
        assert self.audio is not None
        return self.clap.encode_audio(torch.stack([torch.as_tensor(wave) for wave in waves]), self.audio.sample_rate)

    def picture_size(self) -> int | None:
        """The size to which decoding processes may bring frames, since the encoder would do exactly that next.

        Most CLIPs scale the short side to their size and take the middle. Whether this one does is tried out: None when
        its own transform gives anything else, and frames are then handed over as they were decoded.
        """
        size = self.clip.image_size
        trial = np.random.default_rng(0).integers(0, 256, (2, 2, size + 37, 2 * size + 11, 3), dtype=np.uint8)
        upright = trial[1].transpose(0, 2, 1, 3)
        for frames in (trial[0], np.ascontiguousarray(upright)):
            whole = self.clip.preprocess(torch.from_numpy(frames))
            fitted = self.clip.preprocess(torch.from_numpy(np.stack([fit_picture(frame, size) for frame in frames])))
            if not torch.equal(whole, fitted):
                return None
        return size
