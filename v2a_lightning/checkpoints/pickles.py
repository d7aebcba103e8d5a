"""Tensors out of pickled checkpoints, of which nothing is executed: no class or function they name is imported.

Old checkpoints hold whatever their training code left in them: numpy scalars, optimiser objects, classes of libraries
that are not installed. Tensors and plain values are read here, and every other object becomes an empty placeholder.
"""

import pickle
import re
import struct
import sys
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import torch
from torch import Tensor

# What unpickling says of damaged bytes depends on where the damage is.
DAMAGED = (
    pickle.UnpicklingError, zipfile.BadZipFile, zlib.error, struct.error, EOFError, ArithmeticError, AttributeError,
    LookupError, MemoryError, RuntimeError, TypeError, ValueError,
)  # fmt: skip
STORAGES = {
    f"{name}Storage": dtype
    for name, dtype in (
        ("Double", torch.float64), ("Float", torch.float32), ("Half", torch.float16), ("BFloat16", torch.bfloat16),
        ("Long", torch.int64), ("Int", torch.int32), ("Short", torch.int16), ("Char", torch.int8),
        ("Byte", torch.uint8), ("Bool", torch.bool),
    )
}  # fmt: skip
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C


class Placeholder:
    """Stands for an object that is no tensor: takes anything it is built from or given, and keeps its attributes."""

    attributes: Mapping[str, Any]

    def __new__(cls, *_args: Any, **_kwargs: Any) -> "Placeholder":
        one = super().__new__(cls)
        one.attributes = {}
        return one

    def __init__(self, *_args: Any, **_kwargs: Any) -> None: ...

    def __call__(self, *_args: Any, **_kwargs: Any) -> "Placeholder":
        return self

    def __setstate__(self, state: Any) -> None:
        self.attributes = state if isinstance(state, Mapping) else {}

    def _take(self, *_anything: Any) -> None: ...

    # What dicts' and lists' subclasses are filled by.
    __setitem__ = append = extend = _take


class Storage(NamedTuple):
    """The bytes of one or more tensors, and what they are numbers of."""

    content: torch.UntypedStorage
    dtype: torch.dtype


def _tensor(storage: Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_rest: Any) -> Tensor:
    """A view of a storage, refused where it would reach beyond it: torch would enlarge the storage instead."""
    last = offset + sum((count - 1) * step for count, step in zip(size, stride, strict=True))
    inside = min((offset, *size, *stride)) >= 0 and (last + 1) * storage.dtype.itemsize <= storage.content.nbytes()
    if not inside and 0 not in size:
        raise ValueError(f"a tensor of {size} reaches beyond its storage")
    return torch.empty(0, dtype=storage.dtype).set_(storage.content, offset, size, stride)


def _parameter(tensor: Tensor, *_rest: Any) -> Tensor:
    return tensor


# All that a pickle's names stand for, looked up here and never imported.
HARMLESS: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    **{("torch", name): dtype for name, dtype in STORAGES.items()},
    **{("torch._utils", f"_rebuild_tensor{version}"): _tensor for version in ("", "_v2")},
    **{("torch._utils", f"_rebuild_parameter{state}"): _parameter for state in ("", "_with_state")},
}


class TensorUnpickler(pickle.Unpickler):
    """Builds tensors, dictionaries and plain values; anything else a pickle names becomes a `Placeholder`.

    `load` turns what torch writes in place of a storage into the `Storage`.
    """

    def __init__(self, file: Any, load: Callable[[tuple[Any, ...]], Storage] | None = None) -> None:
        super().__init__(file)
        self._load_storage = load

    def find_class(self, module: str, name: str) -> Any:
        return HARMLESS.get((module, name), Placeholder)

    def persistent_load(self, saved: Any) -> Storage:
        if self._load_storage is None or not isinstance(saved, tuple) or saved[0] != "storage":
            raise pickle.UnpicklingError("a reference to something else than a tensor's storage")
        return self._load_storage(saved[1:])


def read_pickled(path: Path) -> dict[str, Tensor]:
    """The named tensors of a zip archive of torch (TorchScript included, mapped), or of its format before 1.6.

    Raises:
        one of DAMAGED: when it is neither, or broken.
    """
    content = _read_zip(path) if zipfile.is_zipfile(path) else _read_stream(path)
    for key in ("state_dict", "model", "model_state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping):
        return {}
    return {str(name): tensor for name, tensor in content.items() if isinstance(tensor, Tensor)}


def _of_modules(module: Placeholder, declared: set[str], prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """A TorchScript archive is a tree of modules; its code, which is not run, declares which attributes are weights."""
    for name, value in module.attributes.items():
        if isinstance(value, Tensor) and name in declared:
            yield f"{prefix}{name}", value
        elif isinstance(value, Placeholder):
            yield from _of_modules(value, declared, f"{prefix}{name}.")


def _declared(archive: zipfile.ZipFile) -> set[str]:
    """Names of all parameters and buffers in an archive's code, which has lines such as `__buffers__ = ["mean", ]`."""
    code = "".join(archive.read(name).decode() for name in archive.namelist() if name.endswith(".py"))
    lists = re.findall(r"__(?:parameters|buffers)__ = \[([^\]]*)\]", code)
    return set(re.findall(r'"([^"]+)"', "".join(lists)))


def _read_zip(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
        entries = {entry.filename: entry for entry in archive.infolist()}
        pickled = min((name for name in entries if Path(name).name == "data.pkl"), key=len)
        root = pickled.removesuffix("data.pkl")
        if f"{root}byteorder" in entries and archive.read(f"{root}byteorder").decode() != sys.byteorder:
            raise ValueError("its numbers have another byte order than this machine's")
        whole = torch.UntypedStorage.from_file(str(path), False, path.stat().st_size)

        def load(saved: tuple[Any, ...]) -> Storage:
            dtype, key, _, count = saved[:4]
            start, size = _place(file, entries[f"{root}data/{key}"]), count * dtype.itemsize
            if count < 0 or start + size > whole.nbytes():
                raise ValueError(f"storage {key} reaches beyond the file")
            return Storage(whole[start : start + size], dtype)

        content = TensorUnpickler(archive.open(pickled), load).load()
        return dict(_of_modules(content, _declared(archive))) if isinstance(content, Placeholder) else content


def _place(file: BinaryIO, entry: zipfile.ZipInfo) -> int:
    """Where in the archive a member's bytes begin: behind a header that holds a name and an extra field."""
    if entry.compress_type != zipfile.ZIP_STORED:
        raise ValueError("its tensors are compressed")
    file.seek(entry.header_offset + 26)
    name, extra = struct.unpack("<HH", file.read(4))
    return entry.header_offset + 30 + int(name) + int(extra)


def _read_stream(path: Path) -> Any:
    storages: dict[str, Storage] = {}
    size = path.stat().st_size

    def load(saved: tuple[Any, ...]) -> Storage:
        dtype, key, _, count, view = saved
        if view is not None or not 0 <= count * dtype.itemsize <= size:
            raise ValueError(f"storage {key} reaches beyond the file")
        content: Any = torch.UntypedStorage
        return storages.setdefault(key, Storage(content(count * dtype.itemsize), dtype))

    with open(path, "rb") as file:
        if TensorUnpickler(file).load() != LEGACY_MAGIC:
            raise ValueError("it does not begin as torch's files do")
        TensorUnpickler(file).load(), TensorUnpickler(file).load()  # version and byte order of the writer
        content = TensorUnpickler(file, load).load()
        keys = TensorUnpickler(file).load()
        for key in keys:
            _fill(storages[key], file)
        if storages.keys() - set(keys):
            raise ValueError("a tensor is cut off")
    return content


def _fill(storage: Storage, file: BinaryIO) -> None:
    """Read one storage: the number of its elements in eight bytes, then the elements."""
    (count,) = struct.unpack("<q", file.read(8))
    content = bytearray(file.read(storage.content.nbytes()))
    if count * storage.dtype.itemsize != storage.content.nbytes() or len(content) != storage.content.nbytes():
        raise ValueError("a tensor is cut off")
    if content:
        torch.empty(0, dtype=torch.uint8).set_(storage.content).copy_(torch.frombuffer(content, dtype=torch.uint8))
