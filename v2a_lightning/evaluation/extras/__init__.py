"""Scores through packages that this project does not depend on: PaSST, ImageBind, Synchformer.

Each is used where its package is installed, and asked for by name. Their weights come the way the packages fetch them.
"""

import hashlib
import importlib.util
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pickle import UnpicklingError
from typing import TYPE_CHECKING, TypeVar

from v2a_lightning.checkpoints.weights import refuse_not_finite
from v2a_lightning.errors import RunFailure, UsageError

if TYPE_CHECKING:
    from torch import nn

    from v2a_lightning.evaluation.hearing import Ear, Onlooker
    from v2a_lightning.evaluation.sounds import Crop

Model = TypeVar("Model", bound="nn.Module")
FORCE_VARIABLE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


@dataclass(frozen=True)
class Extra:
    """One optional score.

    Args:
        modules: what has to be importable.
        install: how to get it.
        needs: "reference" or "media": the folder it cannot do without.
    """

    modules: tuple[str, ...]
    install: str
    needs: str


EXTRAS = {
    "passt": Extra(("hear21passt", "torchaudio"), "pip install hear21passt torchaudio", "reference"),
    "imagebind": Extra(("imagebind", "torchaudio"), "pip install imagebind-unofficial torchaudio", "media"),
    "desync": Extra(("av_bench", "torchaudio"), "install github.com/hkchengrex/av-benchmark", "media"),
}


def check_extras(names: Sequence[str], *, has_reference: bool, has_media: bool) -> None:
    """Every named extra exists, is installed, and has the folder it needs.

    Raises:
        UsageError: naming what is missing and how to get it.
    """
    for name in names:
        if name not in EXTRAS:
            raise UsageError(f"--extras has no {name!r}; it has {', '.join(EXTRAS)}")
        extra = EXTRAS[name]
        for module in extra.modules:
            if importlib.util.find_spec(module) is None:
                raise UsageError(f"--extras {name} needs the package {module}, which is not installed: {extra.install}")
        if not {"reference": has_reference, "media": has_media}[extra.needs]:
            raise UsageError(f"--extras {name} needs --{extra.needs}")


def load_ears(names: Sequence[str], device: str, crop: "Crop") -> "dict[str, Ear]":
    """The named extras that hear sounds alone, and the same part of them as the others."""
    if "passt" not in names:
        return {}
    from v2a_lightning.evaluation.extras.passt import PasstEar

    return {"passt": PasstEar(device, crop)}


def load_onlookers(names: Sequence[str], device: str) -> "dict[str, Onlooker]":
    """The named extras that compare a sound with its film."""
    found: dict[str, Onlooker] = {}
    if "imagebind" in names:
        from v2a_lightning.evaluation.extras.imagebind import ImageBindOnlooker

        found["imagebind"] = ImageBindOnlooker(device)
    if "desync" in names:
        from v2a_lightning.evaluation.extras.synchformer import SynchformerOnlooker

        found["desync"] = SynchformerOnlooker(device)
    return found


def fetched(name: str, build: "Callable[[], Model]", device: str) -> "Model":
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


def module_sha256(module: "nn.Module") -> str:
    """Of a module's tensors by name: stands for weights whose file a package keeps to itself."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
