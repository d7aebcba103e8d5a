"""What a mapper is made of: a network, an objective and an aggregator, each of which can say how it was made."""

import functools
import importlib
import inspect
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from v2a_lightning.randomness import Generators

TIME_RANGE = 1000.0
"""Noise levels are told to networks on [0, 1000), however many timesteps a schedule has."""

Denoiser = Callable[[Tensor, int], Tensor]
"""`denoiser(x, step)`: a network with condition and noise levels bound, for one sampling run."""


class Component(nn.Module):
    """A module that remembers the arguments it was made with, so that a checkpoint can say how to make it again.

    Arguments have to be what a YAML can say: numbers, texts, truth values, lists.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            cls.__init__ = _recording(cls.__init__)  # type: ignore[method-assign]

    def describe(self) -> dict[str, Any]:
        """`{"class_path": ..., "init_args": {...}}`, the words LightningCLI and YAML use."""
        return {"class_path": _class_path(type(self)), "init_args": dict(self.__dict__.get("_init_args", {}))}


def _recording(initialise: Callable[..., None]) -> Callable[..., None]:
    signature = inspect.signature(initialise)

    @functools.wraps(initialise)
    def wrapper(self: Component, *args: Any, **kwargs: Any) -> None:
        # Only the outermost constructor's arguments say how to make the object; its super().__init__ calls do not.
        if "_init_args" not in self.__dict__:
            bound = signature.bind(self, *args, **kwargs)
            bound.apply_defaults()
            self.__dict__["_init_args"] = dict(list(bound.arguments.items())[1:])
        initialise(self, *args, **kwargs)

    return wrapper


def _class_path(cls: type) -> str:
    """Where users import the class from: files may move inside a package, and old checkpoints must still load."""
    package = cls.__module__.rpartition(".")[0]
    if package and getattr(importlib.import_module(package), cls.__qualname__, None) is cls:
        return f"{package}.{cls.__qualname__}"
    return f"{cls.__module__}.{cls.__qualname__}"


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
