"""Reading the tensors of a checkpoint that was saved with pickle, and nothing else of it.

Old checkpoints hold whatever their training code left in them: numpy scalars, optimiser objects, classes of libraries
that are not installed. Unpickling those would run code the file names. Here tensors are read, and every other object
becomes an empty placeholder.
"""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from v2a_lightning.errors import RunFailure

STATE_KEYS = ("state_dict", "model", "model_state_dict")
_REBUILD = {"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter"}


class Placeholder:
    """Stands for an object that is no tensor: it takes anything it is built from or given, and keeps none of it."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> "Placeholder":
        return super().__new__(cls)

    def __init__(self, *_args: Any, **_kwargs: Any) -> None: ...

    def __call__(self, *_args: Any, **_kwargs: Any) -> "Placeholder":
        return self

    def __setstate__(self, _state: Any) -> None: ...

    def __setitem__(self, _key: Any, _value: Any) -> None: ...

    def append(self, _item: Any) -> None:
        """Lists' protocol, for placeholders of their subclasses."""

    def extend(self, _items: Any) -> None:
        """Lists' protocol, for placeholders of their subclasses."""


class TensorUnpickler(pickle.Unpickler):
    """Builds tensors, dictionaries and plain values; anything else a pickle names becomes a `Placeholder`."""

    def find_class(self, module: str, name: str) -> Any:
        """Look up one of the few harmless names."""
        harmless_torch = module == "torch._utils" and name in _REBUILD
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if harmless_torch or (module in ("torch", "torch.storage") and name.endswith("Storage")):
            return super().find_class(module, name)
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        return Placeholder


class _TensorPickle:
    """The part of the pickle module's interface that `torch.load` asks for."""

    Unpickler = TensorUnpickler
    load = staticmethod(pickle.load)
    __name__ = "tensor_pickle"


def read_state(path: Path) -> dict[str, Tensor]:
    """The named tensors of a checkpoint: safetensors or pickled, at the top or under `state_dict` or `model`.

    Raises:
        RunFailure: when the file cannot be read or holds no tensors.
    """
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    try:
        # Mapped, not copied into memory, where the file's format allows: a checkpoint is read for a part of it.
        options = {"mmap": True} if zipfile.is_zipfile(path) else {}
        content = torch.load(path, map_location="cpu", weights_only=False, pickle_module=_TensorPickle, **options)
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError, KeyError, ValueError) as error:
        raise RunFailure(f"{path} cannot be read as a checkpoint: {str(error).splitlines()[0]}") from error
    for key in STATE_KEYS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    state = {str(name): tensor for name, tensor in content.items() if isinstance(tensor, Tensor)}
    if not state:
        raise RunFailure(f"{path} holds no tensors; it is no checkpoint of a model")
    return state
