"""What a mapper is made of: a network, an objective and an aggregator, each of which describes how it was made."""

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from v2a_lightning.components import SelfDescribing
from v2a_lightning.devices import send
from v2a_lightning.randomness import Generators

WIDTH = 512
"""Of CLIP ViT-B/32's embeddings and of CLAP's: the width of whatever is made without one."""
TIME_RANGE = 1000.0
"""Noise levels are given to networks on [0, 1000), however many timesteps a schedule has."""

Denoiser = Callable[[Tensor, int], Tensor]
"""`denoiser(x, step)`: a network with condition and noise levels bound, for one sampling run."""
Frames = Tensor | Mapping[str, Tensor]
"""Frame embeddings (B, T, D); of several encoders, (B, T, D_i) by the encoder's name."""


class Module(nn.Module):
    """A module whose forward pass gives one tensor."""

    __call__: Callable[..., Tensor]


class Component(SelfDescribing, Module):
    """A part of a mapper."""


class Network(Component):
    """Maps (noisy target, noise level, condition) to a prediction in the target's space.

    Targets and predictions are scaled so that their elements have about unit variance. Conditions are L2-normalised
    embeddings, or a learned null condition.

    Args:
        dim: the network's own width.
        condition_dim: width C of a condition; `dim` when not given.
        target_dim: width D of a target's tokens; `dim` when not given.
        tokens: N, how many a target has; 1 when not given.
    """

    solved = True
    """False for a network in closed form that has not been solved yet."""

    def __init__(
        self, dim: int = WIDTH, condition_dim: int | None = None, target_dim: int | None = None,
        tokens: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.dim = dim
        self.condition_dim = condition_dim or dim
        self.target_shape = (tokens or 1, target_dim or dim)

    @abstractmethod
    def forward(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """Noisy targets x (B, N, D), their noise levels t (B,) on [0, 1000) and conditions (B, C) to (B, N, D)."""

    def denoiser(self, condition: Tensor, times: Tensor) -> Denoiser:
        """Bind what stays the same over a sampling run: the conditions (B, C) and the noise levels (S,) of its steps.

        Networks override this to compute once whatever depends on these alone.
        """
        return lambda x, step: self(x, times[step].expand(len(x)), condition)


class TimeEmbedding(Module):
    """Sines and cosines of the noise level at geometrically spaced frequencies, then two linear layers.

    A function of a real number rather than a table of timesteps, so that one network serves any number of training
    timesteps and the continuous levels of flow matching. Formula: Vaswani et al. 2017, section 3.5, as used for
    timesteps by Ho et al. 2020.

    Args:
        dim: width of the embedding, even.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.layers = nn.Sequential(nn.Linear(dim, dim), nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, t: Tensor) -> Tensor:
        """(N,) noise levels on [0, 1000) to (N, dim)."""
        half = self.dim // 2
        exponents = torch.arange(half, device=t.device, dtype=torch.float32) / half
        angles = t.float()[:, None] * torch.exp(-math.log(10_000.0) * exponents)
        result: Tensor = self.layers(torch.cat([angles.sin(), angles.cos()], dim=-1))
        return result


class Objective(Component):
    """Owns noise, schedule, loss and sampling of a mapper. A new one touches no other file.

    Args:
        dim: width of a condition; any when not given.
        target_scale: what targets are multiplied by, to give their elements about unit variance. When not given,
            targets are L2-normalised: the scale is the root of their width, and samples are L2-normalised too.
    """

    def __init__(self, dim: int | None = None, target_scale: float | None = None) -> None:
        super().__init__()
        self.dim = dim
        self.target_scale = target_scale

    @abstractmethod
    def loss(self, network: Network, condition: Tensor, target: Tensor, generator: Generators) -> Tensor:
        """(B,) loss of each sample, for elements of unit variance: 1 is about what predicting zero costs.

        `condition` (B, C) is L2-normalised, and so is each token of `target` (B, N, D) unless there is a
        `target_scale`. There is one generator for the batch, or one for each row.
        """

    @abstractmethod
    def sample(self, network: Network, condition: Tensor, steps: int, guidance: float, generator: Generators) -> Tensor:
        """Draw one target for each L2-normalised condition (B, C), in so many `steps` of one network evaluation.

        `guidance` is the scale of classifier-free guidance; 1 is the plain conditional model. There is one generator
        for the batch, or one for each row; with the latter a row never depends on its neighbours. Returns (B, N, D)
        float32, each token L2-normalised unless there is a `target_scale`.
        """

    def scaled(self, target: Tensor) -> Tensor:
        """Targets (B, N, D) with elements of about unit variance."""
        return target * (self.target_scale or target.shape[-1] ** 0.5)

    def unscaled(self, x: Tensor) -> Tensor:
        """The inverse of `scaled`, (B, N, D)."""
        return F.normalize(x, dim=-1) if self.target_scale is None else x / self.target_scale


class Aggregator(Component):
    """Makes one condition of a clip's frames. One that has a `dim` takes frame embeddings of that width alone."""

    joins = False
    """Whether it takes the frames of several encoders, as a dict."""

    @abstractmethod
    def forward(self, frames: Tensor, mask: Tensor, generator: Generators) -> Tensor:
        """Frame embeddings (B, T, D) to (B, C), L2-normalised.

        `mask` (B, T) is true where a frame is real; each clip has one. `generator` is for aggregators that draw.
        """

    def weights(self, frames: Tensor, mask: Tensor) -> Tensor | None:
        """How much each frame counts, (B, T) with a sum of 1; None of an aggregator that weighs no frames."""
        return None


def uniform(rows: int, generator: Generators, device: torch.device | str) -> Tensor:
    """(rows,) numbers from [0, 1): from one generator in one go, or row i from generator i alone."""
    if isinstance(generator, Sequence):
        if len(generator) != rows:
            raise ValueError(f"{len(generator)} generators for a batch of {rows} rows; give one per row")
        return send(torch.stack([torch.rand((), generator=one, device=one.device) for one in generator]), device)
    return send(torch.rand(rows, generator=generator, device=generator.device), device)
