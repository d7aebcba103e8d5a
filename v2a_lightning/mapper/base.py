"""What a mapper is made of: a network, an objective and an aggregator, each of which can say how it was made."""

from abc import abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from v2a_lightning.components import SelfDescribing
from v2a_lightning.randomness import Generators

TIME_RANGE = 1000.0
"""Noise levels are told to networks on [0, 1000), however many timesteps a schedule has."""

Denoiser = Callable[[Tensor, int], Tensor]
"""`denoiser(x, step)`: a network with condition and noise levels bound, for one sampling run."""


class Component(SelfDescribing, nn.Module):
    """A trained part of a mapper, which describes how it was made."""


class Network(Component):
    """Maps (noisy target, noise level, condition) to a prediction in the target's space.

    Targets and predictions are embeddings scaled by sqrt(dim), so that their elements have about unit variance.
    Conditions are L2-normalised embeddings, or a learned null condition.
    """

    dim: int

    @abstractmethod
    def forward(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """Predict.

        Args:
            x: (B, dim) noisy targets.
            t: (B,) noise levels on [0, 1000).
            condition: (B, dim).

        Returns:
            (B, dim)
        """

    def denoiser(self, condition: Tensor, times: Tensor) -> Denoiser:
        """Bind what stays the same over a sampling run: the conditions (B, dim) and the noise levels (S,) of its steps.

        Networks override this to compute once whatever depends on these alone.
        """
        return lambda x, step: self(x, times[step].expand(len(x)), condition)


class Objective(Component):
    """Owns noise, schedule, loss and sampling of a mapper. A new one touches no other file.

    Args:
        dim: width of an embedding.
    """

    def __init__(self, dim: int = 512) -> None:
        super().__init__()
        self.dim = dim
        self.scale = dim**0.5

    @abstractmethod
    def loss(self, network: Network, condition: Tensor, target: Tensor, generator: Generators) -> Tensor:
        """Loss of each sample.

        Args:
            network: what is trained.
            condition: (B, dim), L2-normalised.
            target: (B, dim), L2-normalised.
            generator: one for the batch, or one for each row.

        Returns:
            (B,) for elements of unit variance: 1 is about what answering zero costs.
        """

    @abstractmethod
    def sample(self, network: Network, condition: Tensor, steps: int, guidance: float, generator: Generators) -> Tensor:
        """Draw one embedding for each condition.

        Args:
            network: what was trained.
            condition: (B, dim), L2-normalised.
            steps: how many times the network is asked.
            guidance: scale of classifier-free guidance; 1 is the plain conditional model.
            generator: one for the batch, or one for each row; with the latter a row never depends on its neighbours.

        Returns:
            (B, dim) float32, L2-normalised.
        """


class Aggregator(Component):
    """Makes one embedding of a clip's frames."""

    @abstractmethod
    def forward(self, frames: Tensor, mask: Tensor, generator: Generators) -> Tensor:
        """Aggregate.

        Args:
            frames: (B, T, D) frame embeddings.
            mask: (B, T), true where a frame is real; each clip has at least one real frame.
            generator: used only by aggregators that draw.

        Returns:
            (B, D), L2-normalised.
        """


def uniform(rows: int, generator: Generators, device: torch.device | str) -> Tensor:
    """(rows,) numbers from [0, 1): from one generator in one go, or row i from generator i alone."""
    if isinstance(generator, Sequence):
        if len(generator) != rows:
            raise ValueError(f"{len(generator)} generators for a batch of {rows} rows; give one per row")
        return torch.stack([torch.rand((), generator=one, device=one.device) for one in generator]).to(device)
    return torch.rand(rows, generator=generator, device=generator.device).to(device)
