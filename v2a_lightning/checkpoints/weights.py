"""The one way weights get into a module: nothing is executed, and all of them are there, in their shapes, finite.

Libraries make up what a file does not hold and say so in a warning at most; here it is an error that names file and
tensor. What may be missing or left over is named where a model is loaded.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from v2a_lightning.checkpoints.pickles import DAMAGED, read_pickled
from v2a_lightning.errors import RunFailure, UsageError

Module = TypeVar("Module", bound=nn.Module)
State = dict[str, Tensor]

# Counters and indices that follow from the architecture: versions of the libraries keep them in the file or do not.
HARMLESS = r"(^|\.)(position_ids|token_type_ids|num_batches_tracked)$"
# What DataParallel and torch.compile put before every name.
WRAPPERS = ("module.", "_orig_mod.")
SUFFIXES = (".safetensors", ".bin", ".pth", ".pt")
VARIANTS = ("", ".fp16", ".bf16")
NORMAL = {"normal_", "trunc_normal_"}
RANDOM = NORMAL | {"uniform_", "kaiming_normal_", "kaiming_uniform_", "xavier_normal_", "xavier_uniform_"}
RANDOM |= {"orthogonal_", "erfinv_"}


def find_weights(folder: Path, *stems: str) -> Path:
    """The weights in a folder: safetensors before pickles, one file before parts, whole precision before half.

    The first of `stems`, names without endings such as `diffusion_pytorch_model`, counts, or the only file of weights;
    UsageError when there are none.
    """
    for suffix, variant, stem in product(SUFFIXES, VARIANTS, stems):
        one = f"{stem}{variant}{suffix}"
        for name in (one, f"{stem}{suffix}.index{variant}.json", f"{one}.index.json"):
            if (folder / name).is_file():
                return folder / name
    only = [file for file in folder.iterdir() if file.suffix in SUFFIXES]
    if len(only) == 1:
        return only[0]
    names = " or ".join(f"{stem}.safetensors (or .bin)" for stem in stems)
    raise UsageError(f"{folder} holds no weights: there is no {names}")


def read_weights(path: Path) -> State:
    """The named tensors of a file: safetensors, a checkpoint of torch in any of its formats, or an index of parts.

    What a file is, its content says. Tensors are taken from the top, or from under `state_dict` or `model`, and lose
    the prefixes of DataParallel and torch.compile. Nothing that the file names is imported or called. A RunFailure
    names a file that cannot be read or holds no tensors.
    """
    try:
        state = _read_parts(path) if path.suffix == ".json" else _read_file(path)
    except OSError as error:
        raise RunFailure(f"{path} cannot be read: {error.strerror or error}") from error
    except DAMAGED as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise RunFailure(f"{path} cannot be read: it is damaged, cut off or no file of weights ({reason})") from error
    if not state:
        raise RunFailure(f"{path} holds no tensors; it is no checkpoint of a model")
    return state


def load_strictly(module: Module, state: Mapping[str, Tensor], source: Path, *, left_over: str = "") -> Module:
    """Give a module the weights of a file, once it is sure that they belong to it: in evaluation mode, in its
    precision.

    `state` is by the module's own names, `source` where it is from, and `left_over` a pattern of names that it may have
    too many, beside those of HARMLESS.

    Raises:
        UsageError: naming the first tensor that is missing, left over or of another shape.
        RunFailure: naming a tensor that is not finite.
    """
    name = type(module).__name__
    expected = module.state_dict()
    unneeded = f"{HARMLESS}|{left_over}" if left_over else HARMLESS
    lacking = [one for one in expected if one not in state and not re.search(HARMLESS, one)]
    extra = [one for one in state if one not in expected and not re.search(unneeded, one)]
    if lacking:
        there = f", while it has {extra[0]!r}, which has no place in it" if extra else ""
        raise UsageError(f"{source}: no weights of {name}: tensor {lacking[0]!r} is missing{_more(lacking)}{there}")
    if extra:
        raise UsageError(f"{source}: no weights of {name}: tensor {extra[0]!r} has no place in it{_more(extra)}")
    used = {one: tensor for one, tensor in state.items() if one in expected}
    for one, tensor in list(used.items()):
        if tensor.shape != expected[one].shape:
            if re.search(HARMLESS, one):  # as another version of the library has it; the module's is right
                del used[one]
                continue
            shapes = f"{tuple(tensor.shape)}, not {tuple(expected[one].shape)}"
            raise UsageError(f"{source}: no weights of {name}: tensor {one!r} has shape {shapes}")
    refuse_not_finite(used, source)
    used = {one: tensor.to(expected[one].dtype).contiguous() for one, tensor in used.items()}
    # The tensors themselves, which safetensors maps from the file: a copy beside them would double what loading takes.
    module.load_state_dict(used, strict=False, assign=True)
    return module.eval()


def refuse_not_finite(state: Mapping[str, Tensor], source: Path | str) -> None:
    """Refuse weights that hold NaN or infinity: a RunFailure names the first such tensor."""
    for name, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise RunFailure(f"{source}: tensor {name!r} holds values that are not finite; the file is damaged")


@contextmanager
def without_values() -> Iterator[None]:
    """Leave out drawing random first values for modules that are built in this block: weights replace them."""
    with _Undrawn():
        yield


class _Undrawn(TorchFunctionMode):
    def __torch_function__(self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        if (name := getattr(function, "__name__", "")) in RANDOM:
            tensor = args[0] if args else (kwargs or {})["tensor"]
            # Zero, since torch draws a truncated normal again and again until no value is out of its bounds. Others are
            # left: memory that is not touched is not taken.
            with torch.no_grad():
                return tensor.zero_() if name in NORMAL else tensor
        return function(*args, **(kwargs or {}))


def _more(names: list[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""


def first_bytes(path: Path) -> bytes:
    """The beginning of a file of weights; RunFailure when it is something else that is often found in its place."""
    with open(path, "rb") as file:
        head = file.read(512)
    if not head:
        raise RunFailure(f"{path} is empty; fetch it again")
    if head.startswith(b"version https://git-lfs"):
        raise RunFailure(f"{path} is a git-lfs pointer and not the file itself; fetch that with `git lfs pull`")
    if head.lstrip()[:1] == b"<":
        raise RunFailure(f"{path} is a web page and not the file itself; fetch it again")
    return head


def _read_file(path: Path) -> State:
    # Behind the eight bytes of its header's length a safetensors file has that header, a JSON object.
    is_safetensors = first_bytes(path)[8:9] == b"{"
    return load_file(path) if is_safetensors else _unwrapped(read_pickled(path))


def _unwrapped(state: State) -> State:
    while state and (wrapper := next((one for one in WRAPPERS if all(name.startswith(one) for name in state)), "")):
        state = {name.removeprefix(wrapper): tensor for name, tensor in state.items()}
    return state


def _read_parts(index: Path) -> State:
    places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    for name in set(places.values()):
        if not isinstance(name, str) or Path(name).name != name or name == ".." or "\\" in name:
            raise RunFailure(f"{index}: its weight_map names {name!r}, which is no file beside it")
    parts = {name: _read_file(index.parent / name) for name in sorted(set(places.values()))}
    state: State = {}
    for tensor, name in places.items():
        if tensor not in parts[name]:
            raise RunFailure(f"{index}: tensor {tensor!r} is not in {name}, where it should be")
        state[tensor] = parts[name][tensor]
    return state
