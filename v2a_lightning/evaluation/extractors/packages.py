"""Feature extractors through packages that this project does not depend on: PaSST, ImageBind, Synchformer.

Each is used where its package is installed. Their weights come the way the packages fetch them.
"""

import hashlib
import importlib.util
import os
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pickle import UnpicklingError
from typing import Any, ClassVar, TypeVar

import torch
from torch import nn

from v2a_lightning.checkpoints.weights import refuse_not_finite
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.evaluation.features import Crop, FeatureExtractor

Model = TypeVar("Model", bound=nn.Module)
FORCE_VARIABLE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


class PackageExtractor(FeatureExtractor):
    """A network of another package, known by its tensors.

    Subclasses say what has to be importable (`modules`) and how to get it (`install`).

    Raises:
        UsageError: when a module is not installed.
    """

    title: ClassVar[str]
    modules: ClassVar[tuple[str, ...]]
    install: ClassVar[str]

    def __init__(self, device: torch.device | str, crop: Crop) -> None:
        super().__init__(device, crop)
        for module in self.modules:
            if importlib.util.find_spec(module) is None:
                raise UsageError(f"{self.title} needs the package {module}, which is not installed: {self.install}")

    @abstractmethod
    def build(self) -> nn.Module:
        """The package's model, with the weights it fetches."""

    @cached_property
    def model(self) -> Any:
        """The model, frozen."""
        return fetched(self.title, self.build, self.device)

    @cached_property
    def fingerprint(self) -> str:
        """Of the network's tensors."""
        return module_sha256(self.model)


def fetched(name: str, build: Callable[[], Model], device: torch.device | str) -> Model:
    """A package's model with the weights it fetches, frozen. What the package reads of a pickle is tensors alone.

    Raises:
        RunFailure: when the weights cannot be fetched or read, or are not finite.
    """
    try:
        with _tensors_only():
            model = build()
    except (OSError, RuntimeError, UnpicklingError) as error:
        raise RunFailure(f"the weights of {name} cannot be had: {' '.join(str(error).split())[:300]}") from error
    refuse_not_finite(model.state_dict(), name)
    return model.to(device).eval().requires_grad_(False)


@contextmanager
def _tensors_only() -> Iterator[None]:
    """torch.load executes nothing in this block, whatever its caller asks for."""
    before = os.environ.get(FORCE_VARIABLE)
    os.environ[FORCE_VARIABLE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[FORCE_VARIABLE]
        else:
            os.environ[FORCE_VARIABLE] = before


def module_sha256(module: nn.Module) -> str:
    """Of a module's tensors by name: stands for weights whose file a package keeps to itself."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
