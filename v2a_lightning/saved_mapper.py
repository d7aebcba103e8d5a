"""Mappers in files: what is written, what is read, and what to say when weights do not fit."""

import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from huggingface_hub import ModelHubMixin
from safetensors.torch import save_file
from torch import Tensor

from v2a_lightning.checkpoints.registry import resolve
from v2a_lightning.checkpoints.weights import first_bytes, read_weights, refuse_not_finite
from v2a_lightning.components import parsed
from v2a_lightning.errors import UsageError
from v2a_lightning.files import atomic_write
from v2a_lightning.json_files import write_json

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
CARD = "README.md"
PARTS = ("network", "objective", "aggregator")

CARD_TEXT = """---
library_name: v2a-lightning
pipeline_tag: other
tags: [video-to-audio, model_hub_mixin]
---
# {name}

Maps embeddings of a clip's frames to the condition from which a frozen generator makes sound, such as a CLAP audio
embedding for AudioLDM.

| part | made as |
|---|---|
{rows}
| parameters | {parameters:,} |

```python
{usage}
```
"""
MAPPER_USAGE = """from v2a_lightning.module import V2AMapper

mapper = V2AMapper.from_pretrained("this folder, or its name on the Hugging Face Hub")"""
PIPELINE_USAGE = """from v2a_lightning.pipeline import V2APipeline

pipeline = V2APipeline.from_pretrained("this folder, or its name on the Hugging Face Hub")
waveforms = pipeline("dog.jpg", seed=0, samples=2)"""


class Savable(Protocol):
    """A mapper, as far as files are concerned."""

    network: Any

    def describe(self) -> dict[str, Any]: ...
    def state_dict(self) -> dict[str, Tensor]: ...
    def load_state_dict(self, state_dict: Mapping[str, Tensor]) -> Any: ...


class OnTheHub(ModelHubMixin):
    """`save_pretrained` and `push_to_hub` of Hugging Face, which call `_save_pretrained`."""

    def _save_pretrained(self, save_directory: Path) -> None:
        raise TypeError(f"{type(self).__name__} does not say how it is saved")


@dataclass(frozen=True)
class SavedMapper:
    """A mapper's description and weights, as they were read. Of a run that kept an average, the averaged weights."""

    path: Path
    config: dict[str, Any]
    weights: dict[str, Tensor]

    def load_into(self, mapper: Savable) -> None:
        """Give a mapper the weights.

        Raises:
            UsageError: when they are another mapper's, naming the first argument or tensor that differs.
            RunFailure: when a weight is not finite.
        """
        try:
            refuse_other_mapper(mapper, self.weights, self.config)
        except UsageError as error:
            raise UsageError(f"{self.path}: {error}") from error
        refuse_not_finite(self.weights, self.path)
        mapper.load_state_dict(self.weights)


def save_pretrained(mapper: Savable, folder: Path, others: Mapping[str, str] | None = None) -> None:
    """Write `model.safetensors`, `config.json` and README.md.

    Args:
        mapper: what is saved.
        folder: where to.
        others: further rows of the card: the models that a pipeline needs beside the mapper.
    """
    with atomic_write(folder / WEIGHTS) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in mapper.state_dict().items()}, temporary)
    write_json(folder / CONFIG, mapper.describe(), indent=2)
    with atomic_write(folder / CARD) as temporary:
        temporary.write_text(_card(mapper, others or {}))


def read_mapper(source: str | Path) -> SavedMapper:
    """A mapper's description and weights from a checkpoint file, a folder, or a Hugging Face name, or UsageError."""
    path = Path(source)
    return _read_checkpoint(path) if path.is_file() else _read_folder(pretrained_folder(source))


def pretrained_folder(source: str | Path) -> Path:
    """A folder of `save_pretrained`: a local one, or the Hub's `owner/name` or `owner/name@revision`, fetched once.

    Raises:
        UsageError: when there is none, or it would have to be fetched and nothing may be.
        RunFailure: when fetching it fails.
    """
    return resolve(str(source), "mapper")


def refuse_other_mapper(mapper: Savable, weights: Mapping[str, Tensor], config: Mapping[str, Any]) -> None:
    """Refuse weights of a mapper of another make: UsageError names the parts that differ, or else the first weight.

    `config` says how the weights' own mapper was made, as far as known.
    """
    expected = mapper.state_dict()
    # The tables of a solved mapper have as many rows as there were training pairs.
    growing = {name for name, tensor in expected.items() if tensor.ndim == 2 and len(tensor) == 0}
    different = [
        name
        for name in [*expected, *(name for name in weights if name not in expected)]
        if name not in growing and _shape(expected.get(name)) != _shape(weights.get(name))
    ]
    if not different:
        return
    own = mapper.describe()
    for part in PARTS:
        if config.get(part) and _differs(config[part], own[part]):
            there, here = _words(config[part]), _words(own[part])
            raise UsageError(f"the checkpoint holds a mapper with {part} {there}, and here it is {here}")
    name = different[0]
    shapes = f"{_shape(weights.get(name))} there and {_shape(expected.get(name))} here"
    raise UsageError(f"the checkpoint holds another mapper: {name} is {shapes}")


def _differs(there: Mapping[str, Any], here: Mapping[str, Any]) -> bool:
    """Whether two descriptions differ where both say something: earlier versions had fewer arguments."""
    others, own = there["init_args"], here["init_args"]
    return there["class_path"] != here["class_path"] or any(others[key] != own[key] for key in others.keys() & own)


def _read_checkpoint(path: Path) -> SavedMapper:
    first_bytes(path)
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UsageError(
            f"{path} is no checkpoint of a mapper: it is damaged, or holds more than plain values and tensors, which "
            "would run code when read"
        ) from error
    # What torch says of a file that is none of its own depends on the file's first bytes.
    except (RuntimeError, EOFError, OSError, ValueError, LookupError, AttributeError, TypeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UsageError(f"{path} is not a readable checkpoint: {reason}") from error
    config = checkpoint.get("hyper_parameters") if isinstance(checkpoint, dict) else None
    weights = checkpoint.get("state_dict") if isinstance(checkpoint, dict) else None
    if not _is_of_a_mapper(config) or not isinstance(weights, dict):
        raise UsageError(f"{path} is not a checkpoint of a mapper")
    if not_tensors := [name for name, tensor in weights.items() if not isinstance(tensor, Tensor)]:
        raise UsageError(f"{path} is not a checkpoint of a mapper: {not_tensors[0]!r} among its weights is no tensor")
    return SavedMapper(path, _public(config), weights)


def _read_folder(folder: Path) -> SavedMapper:
    missing = [name for name in (CONFIG, WEIGHTS) if not (folder / name).is_file()]
    if missing:
        raise UsageError(f"{folder} holds no mapper: {' and '.join(missing)} missing")
    config = dict(parsed(json.loads, (folder / CONFIG).read_bytes(), folder / CONFIG))
    if not _is_of_a_mapper(config):
        raise UsageError(f"{folder / CONFIG} does not describe a mapper: it names no network")
    return SavedMapper(folder, _public(config), read_weights(folder / WEIGHTS))


def _is_of_a_mapper(config: Any) -> bool:
    return isinstance(config, dict) and "network" in config and all(isinstance(key, str) for key in config)


def _public(config: Any) -> dict[str, Any]:
    return {key: value for key, value in config.items() if not key.startswith("_")}


def _shape(tensor: Tensor | None) -> tuple[int, ...] | str:
    return "absent" if tensor is None else tuple(tensor.shape)


def _words(part: Mapping[str, Any]) -> str:
    arguments = ", ".join(f"{name}={value}" for name, value in part["init_args"].items() if value is not None)
    return f"{part['class_path'].rpartition('.')[2]}({arguments})"


def _card(mapper: Savable, others: Mapping[str, str]) -> str:
    parts = {key: _words(value) if isinstance(value, dict) else value for key, value in mapper.describe().items()}
    rows = [f"| {key} | `{value}` |" for key, value in parts.items()]
    rows += [f"| {key} | {value} |" for key, value in others.items()]
    return CARD_TEXT.format(
        name=type(mapper.network).__name__,
        rows="\n".join(rows),
        parameters=sum(tensor.numel() for tensor in mapper.state_dict().values()),
        usage=PIPELINE_USAGE if others else MAPPER_USAGE,
    )
