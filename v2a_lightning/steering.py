"""Texts that steer a sound: one is mixed with what is seen, another is guided away from."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import normalize

from v2a_lightning.errors import UsageError

Space = Literal["clip", "clap"]
"""Where texts are mixed in: the visual encoder's space before the mapper, or the generator's condition after it."""

# By docs/results/text-steering.md: the sound is mostly the text's, and something of the picture is left.
STRENGTH = 0.6
NEGATIVE_STRENGTH = 0.5


@dataclass(frozen=True)
class Steering:
    """How texts change what is generated.

    Args:
        text: is mixed in on the sphere.
        negative: is guided away from.
        strength: of `text`: 0 is the picture alone, 1 the text alone.
        negative_strength: of `negative`: 0 is none; a guidance scale of `1 + negative_strength`.
        space: where both happen.

    Raises:
        UsageError: when a strength is out of range, or there is no such space.
    """

    text: str | None = None
    negative: str | None = None
    strength: float = STRENGTH
    negative_strength: float = NEGATIVE_STRENGTH
    space: Space = "clip"

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise UsageError(f"the text's strength is a number from 0 to 1, not {self.strength:g}")
        if not 0 <= self.negative_strength < math.inf:
            raise UsageError(f"the negative text's strength is a number of at least 0, not {self.negative_strength:g}")
        if self.space not in get_args(Space):
            raise UsageError(f"the texts' space is {' or '.join(get_args(Space))}, not {self.space!r}")

    def __bool__(self) -> bool:
        return self.text is not None or self.negative is not None

    def apply(self, embeddings: Tensor, encode: Callable[[Sequence[str]], Tensor]) -> Tensor:
        """Steer unit vectors.

        Args:
            embeddings: (B, T, D), L2-normalised.
            encode: texts to (1, D) or (1, T, D) each, in the same space.

        Returns:
            (B, T, D), L2-normalised.
        """
        if self.text is not None:
            embeddings = slerp(embeddings, _rows(encode, self.text, embeddings), self.strength)
        if self.negative is not None:
            negative = _rows(encode, self.negative, embeddings)
            # Classifier-free guidance's formula (Ho and Salimans 2021, equation 6) on the embeddings themselves.
            embeddings = normalize(embeddings + self.negative_strength * (embeddings - negative), dim=-1)
        return embeddings


def slerp(start: Tensor, end: Tensor, share: float) -> Tensor:
    """The point at `share` of the great circle between unit vectors (..., D) (Shoemake 1985)."""
    angle = torch.acos((start * end).sum(-1, keepdim=True).clamp(-1, 1))
    sine = angle.sin()
    mixed = ((1 - share) * angle).sin() / sine * start + (share * angle).sin() / sine * end
    # Of vectors that are all but equal, or opposite, the circle is undetermined.
    return normalize(torch.where(sine > 1e-4, mixed, torch.lerp(start, end, share)), dim=-1)


def _rows(encode: Callable[[Sequence[str]], Tensor], text: str, embeddings: Tensor) -> Tensor:
    encoded = encode([text]).to(embeddings)
    return encoded.reshape(1, -1, encoded.shape[-1])
