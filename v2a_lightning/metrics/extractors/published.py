"""Reading the files the authors published, whose content is pickled and whose sha256 is known for some."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from v2a_lightning.errors import UsageError
from v2a_lightning.files import sha256_file

PUBLISHED_SHA256: dict[str, dict[str, str]] = {
    "cnn14": {
        "Cnn14_mAP=0.431.pth": "0dc499e40e9761ef5ea061ffc77697697f277f6a960894903df3ada000e34b31",
        "Cnn14_16k_mAP=0.438.pth": "e2ee543a27919542c2ea03eabaa70b24dcd4e6c8e05621de6b67a94e4c5058e6",
    },
    "vggish": {"vggish-10086976.pth": "10086976"},  # the release names a file by the first digits
    "wav2clip": {},
}
"""Kind -> published file name -> sha256, or as many of its first digits as are known."""


def read_published(path: Path, kind: str) -> dict[str, Tensor]:
    """The tensors of a published checkpoint, by their published names.

    A file that bears a published name must have the published content. Pickles can run code when they are read: only
    tensors and NumPy arrays are let in, unless the whole sha256 is a known one.

    Raises:
        UsageError: when the file is not what its name says, cannot be read, or holds no tensors.
    """
    digest = sha256_file(path)
    expected = PUBLISHED_SHA256[kind].get(path.name)
    if expected is not None and not digest.startswith(expected):
        raise UsageError(f"{path}: sha256 is {digest[:16]}..., that of the published file begins with {expected[:16]}")
    content = _unpickle(path, trusted=digest in PUBLISHED_SHA256[kind].values())
    for holder in ("model", "state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(holder), Mapping):
            content = content[holder]
    if not isinstance(content, Mapping):
        raise UsageError(f"{path}: holds a {type(content).__name__}, not a {kind} checkpoint")
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        raise UsageError(f"{path}: holds no tensors, so it is no {kind} checkpoint")
    return tensors


def _unpickle(path: Path, trusted: bool) -> object:
    # NumPy names the functions that rebuild its arrays and numbers differently from version to version.
    harmless: list[Any] = [np.ndarray, np.dtype, np.zeros(0).__reduce__()[0], np.float64(0).__reduce__()[0]]
    harmless += [type(np.dtype(name)) for name in ("int32", "int64", "float32", "float64", "bool")]
    try:
        with torch.serialization.safe_globals(harmless):
            return torch.load(path, map_location="cpu", weights_only=not trusted)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UsageError(f"{path}: cannot be read as a PyTorch checkpoint ({reason[:160]})") from error
