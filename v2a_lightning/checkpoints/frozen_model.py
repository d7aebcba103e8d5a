"""What every frozen model has in common: a name, a fingerprint, weights read once, and no gradients ever."""

import hashlib
import json
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from torch import nn

from v2a_lightning.checkpoints.fetch import masked
from v2a_lightning.checkpoints.registry import CONFIG_SUFFIXES, WEIGHT_SUFFIXES, resolve
from v2a_lightning.components import SelfDescribing
from v2a_lightning.errors import RunFailure, UsageError, V2AError
from v2a_lightning.files import sha256_file

Precision = Literal["float32", "bfloat16", "float16"]
# What libraries raise for a config that is none of theirs.
READING_ERRORS = (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError, AssertionError)


class FrozenModel(SelfDescribing, ABC):
    """A pretrained model that is never trained.

    It is deliberately no `nn.Module`: a LightningModule that holds one neither trains it nor saves it in a checkpoint.
    Pickling and copying leave the loaded weights behind; the copy reads them again when it is first used.

    Args:
        checkpoint: `miniature`, a local path, a name from the registry of checkpoints, a Hugging Face id or a URL.
        dtype: precision of the weights.
    """

    kind: ClassVar[str]

    def __init__(self, checkpoint: str = "miniature", dtype: Precision = "float32") -> None:
        if dtype not in ("float32", "bfloat16", "float16"):
            raise UsageError(f"{self.kind}: dtype {dtype!r} is not one of float32, bfloat16, float16")
        self.checkpoint = str(checkpoint)
        self.device = torch.device("cpu")
        self.dtype: torch.dtype = getattr(torch, dtype)
        self._path: Path | None = None
        self._parts: dict[str, Any] = {}

    @property
    def name(self) -> str:
        return f"{self.kind}:{masked(self.checkpoint)}"

    def describe(self) -> dict[str, Any]:
        """Class path and arguments, as they are by now; an address without the name and password in it."""
        described = super().describe()
        arguments = described["init_args"]
        now = {name: getattr(self, name, None) for name in arguments if name != "dtype"}
        arguments |= {name: value for name, value in now.items() if isinstance(value, bool | int | float | str)}
        arguments |= {"checkpoint": masked(self.checkpoint), "dtype": str(self.dtype).removeprefix("torch.")}
        return described

    def summary(self) -> str:
        return self.load().name

    @property
    def path(self) -> Path:
        """The weights on this machine, fetched when they have to be; UsageError for no such checkpoint."""
        if self._path is None or not self._path.exists():
            self._path = self._locate()
        return self._path

    def _locate(self) -> Path:
        return resolve(self.checkpoint, self.kind)

    @property
    def fingerprint(self) -> str:
        """Sha256 over the weights, their configs and everything else that changes what comes out."""
        root = self.path
        files = {os.path.relpath(file, root) if root.is_dir() else file.name: _sha256(file) for file in self.files()}
        content = {"kind": self.kind, "files": files, "settings": {**self.settings(), "dtype": str(self.dtype)}}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def files(self) -> list[Path]:
        """The files that `load` reads, configs included, in a fixed order."""
        return checkpoint_files(self.path)

    def settings(self) -> dict[str, Any]:
        """What changes the output beside the files: part of the fingerprint."""
        return {}

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Self:
        """Move to a device and, if given, another precision; loaded weights move along."""
        self.device = torch.device(device)
        self.dtype = dtype or self.dtype
        with quiet_libraries():
            self._parts = {name: self._place(name, part) for name, part in self._parts.items()}
        return self

    def load(self) -> Self:
        """Read the weights unless that was done before. Leaves PyTorch's random streams as they were.

        Raises:
            UsageError: when the checkpoint is not of this kind.
            RunFailure: when its files cannot be read.
        """
        if not self._parts:
            try:
                with quiet_libraries(), torch.random.fork_rng():
                    parts = self._load()
            except V2AError:
                raise
            except READING_ERRORS as error:
                raise RunFailure(f"{self.name} cannot be read: {first_line(error)}") from error
            with quiet_libraries():
                self._parts = {name: self._place(name, part) for name, part in parts.items()}
        return self

    @abstractmethod
    def _load(self) -> dict[str, Any]:
        """Modules on the CPU with their weights in place, and whatever else is read with them, by name."""

    def _place(self, _name: str, part: Any) -> Any:
        if isinstance(part, nn.Module):
            return part.eval().requires_grad_(False).to(self.device, self.dtype)
        return part

    def _part(self, name: str) -> Any:
        """A loaded part by its name."""
        return self.load()._parts[name]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_path": None, "_parts": {}}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.checkpoint!r})"


def first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep the model libraries' progress bars and advice off the screen while weights are read and moved."""
    import transformers.utils.logging

    progress: Any = transformers.utils.logging
    level, bars = logging.root.manager.disable, progress.is_progress_bar_enabled()
    progress.disable_progress_bar()
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(level)
        if bars:
            progress.enable_progress_bar()


def checkpoint_files(path: Path) -> list[Path]:
    """Weights and configs of a checkpoint file or folder; of weights in two formats, the safetensors."""
    if path.is_file():
        return [path]
    found = [file for file in sorted(path.rglob("*")) if file.suffix in WEIGHT_SUFFIXES + CONFIG_SUFFIXES]
    safe = {file.parent for file in found if file.suffix == ".safetensors"}
    pickles = [file for file in found if file.suffix in WEIGHT_SUFFIXES[1:] and file.parent in safe]
    return [file for file in found if file not in pickles and file.name != "card.json" and file.is_file()]


def _sha256(path: Path) -> str:
    status = path.stat()
    return _cached_sha256(str(path), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _cached_sha256(path: str, _size: int, _modified: int) -> str:
    """Hashed once per process; size and time of change notice another file."""
    return sha256_file(path)
