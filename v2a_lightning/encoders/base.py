"""The encoder protocol: what makes an embedding of every frame."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from v2a_lightning.components import Identified, SelfDescribing
from v2a_lightning.errors import UsageError

SOLE = ""
"""Stands for the one encoder of frames that there is, where several would have names."""


class Encoder(Identified, ABC):
    """A frozen encoder of frames, of any width. One of your own has `embedding_dim` and `encode_frames`.

    Its constructor's arguments are plain values, which its description in cards and saved pipelines repeats.
    """

    image_size: int | None = None
    """Side of the square that `preprocess` makes of a frame, in pixels; None where frames of any size are encoded."""

    @property
    @abstractmethod
    def embedding_dim(self) -> int:
        """Width of the embeddings."""

    @abstractmethod
    def encode_frames(self, frames: Tensor) -> Tensor:
        """Frames uint8 RGB (T, H, W, 3) of one size to (T, D) float32, L2-normalised. No row depends on another."""

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Texts to (N, D) float32, L2-normalised, in the space of the frames; of an encoder that has a text tower."""
        raise UsageError(f"{self.name} reads no texts; mix them in CLAP's space (--text_space clap)")

    def preprocess(self, frames: Tensor) -> Tensor:
        """The encoder's own transform of frames uint8 (T, H, W, 3), where it has one."""
        return frames

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Self:
        """Move to a device."""
        return self


class EncoderSet(SelfDescribing, Mapping[str, Encoder]):
    """Several encoders of the same frames by name, as a YAML says it; in Python any dict of them will do."""

    def __init__(self, encoders: dict[str, Encoder]) -> None:
        self.encoders = encoders

    def __getitem__(self, name: str) -> Encoder:
        return self.encoders[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.encoders)

    def __len__(self) -> int:
        return len(self.encoders)


Encoders = Encoder | Mapping[str, Encoder]
"""One encoder, or several by name."""


def by_name(encoder: Encoders) -> Mapping[str, Encoder]:
    """Encoders by name; one alone is named SOLE."""
    return encoder if isinstance(encoder, Mapping) else {SOLE: encoder}


def of_each(encoder: Encoders, what: Callable[[Encoder], Any]) -> Any:
    """Something of one encoder, or of several by name."""
    return {name: what(one) for name, one in encoder.items()} if isinstance(encoder, Mapping) else what(encoder)


def checked_frames(frames: Tensor | np.ndarray[Any, Any]) -> Tensor:
    """Frames as a tensor; ValueError when they are not uint8 of shape (T, H, W, 3)."""
    # Torch warns of arrays that cannot be written to, such as Pillow's.
    frames = torch.as_tensor(np.require(frames, requirements="W") if isinstance(frames, np.ndarray) else frames)
    if frames.dtype != torch.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
        raise ValueError(f"frames are uint8 of shape (T, H, W, 3), not {frames.dtype} of {tuple(frames.shape)}")
    return frames


def normalised(parts: Sequence[Tensor], width: int, device: torch.device) -> Tensor:
    """Embeddings (T_i, D) as one table (T, D), L2-normalised in float32."""
    embeddings = torch.cat(list(parts)) if parts else torch.empty(0, width, device=device)
    return nn.functional.normalize(embeddings.float(), dim=-1)
