"""Mappers as folders: weights, the words to make them again, and a card; and what to say when weights do not fit."""

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from huggingface_hub import ModelHubMixin
from torch import Tensor

from v2a_lightning.components import construct, parsed
from v2a_lightning.errors import UsageError
from v2a_lightning.files import atomic_write

if TYPE_CHECKING:
    from v2a_lightning.module import V2AMapper

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
CARD = "README.md"

CARD_TEXT = """---
library_name: v2a-lightning
pipeline_tag: other
tags: [video-to-audio, clip, clap, audioldm, model_hub_mixin]
---
# {name}

Maps CLIP embeddings of a clip's frames to a CLAP audio embedding, from which AudioLDM makes sound.

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
waves = pipeline("dog.jpg", seed=0, samples=2)"""


class OnTheHub(ModelHubMixin):
    """`save_pretrained` and `push_to_hub` of Hugging Face; what is saved is `_save_pretrained`'s to write."""

    def _save_pretrained(self, save_directory: Path) -> None:
        raise TypeError(f"{type(self).__name__} does not say how it is saved")


def save_pretrained(mapper: "V2AMapper", folder: Path, others: Mapping[str, str] | None = None) -> None:
    """Write `model.safetensors`, `config.json` and README.md.

    Args:
        mapper: what is saved.
        folder: where to.
        others: further rows of the card: the models that a pipeline needs beside the mapper.
    """
    from safetensors.torch import save_file

    with atomic_write(folder / WEIGHTS) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in mapper.state_dict().items()}, temporary)
    with atomic_write(folder / CONFIG) as temporary:
        temporary.write_text(json.dumps(_public(mapper.describe()), indent=2) + "\n")
    with atomic_write(folder / CARD) as temporary:
        temporary.write_text(_card(mapper, others or {}))


def load_pretrained(cls: type["V2AMapper"], source: str | Path) -> "V2AMapper":
    """A mapper in evaluation mode from a checkpoint file, a folder, or the name of a Hugging Face repository.

    Raises:
        UsageError: when there is no mapper there.
    """
    from v2a_lightning.checkpoints.weights import refuse_not_finite, without_values

    path = Path(source)
    if path.is_file():
        config, weights = _read_checkpoint(path)
    else:
        path = pretrained_folder(source)
        config, weights = _read_folder(path)
    with without_values():
        mapper = construct(cls, config, path)
    try:
        refuse_other_mapper(mapper, weights, config)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    refuse_not_finite(weights, path)
    mapper.load_state_dict(weights)
    return mapper.eval()


def pretrained_folder(source: str | Path) -> Path:
    """A folder of `save_pretrained`: a local one, or the Hub's `owner/name` or `owner/name@revision`, fetched once.

    Raises:
        UsageError: when there is none, or it would have to be fetched and nothing may be.
        RunFailure: when fetching it fails.
    """
    from v2a_lightning.checkpoints.registry import resolve

    return resolve(str(source), "mapper")


def refuse_other_mapper(mapper: "V2AMapper", weights: dict[str, Tensor], config: dict[str, Any]) -> None:
    """Refuse weights that belong to a mapper of another make.

    Args:
        mapper: what the weights are wanted for.
        weights: by name.
        config: how the weights' own mapper was made, as far as known.

    Raises:
        UsageError: naming the parts that differ, or else the first weight.
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
    for part in ("network", "objective", "aggregator"):
        if config.get(part) and config[part] != own[part]:
            there, here = _words(config[part]), _words(own[part])
            raise UsageError(f"the checkpoint holds a mapper with {part} {there}, and here it is {here}")
    name = different[0]
    shapes = f"{_shape(weights.get(name))} there and {_shape(expected.get(name))} here"
    raise UsageError(f"the checkpoint holds another mapper: {name} is {shapes}")


def _read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    from v2a_lightning.checkpoints.weights import first_bytes

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
    if not isinstance(config, dict) or not _is_of_a_mapper(config) or not isinstance(weights, dict):
        raise UsageError(f"{path} is not a checkpoint of a mapper")
    if not_tensors := [name for name, tensor in weights.items() if not isinstance(tensor, Tensor)]:
        raise UsageError(f"{path} is not a checkpoint of a mapper: {not_tensors[0]!r} among its weights is no tensor")
    return _public(config), weights


def _read_folder(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    from v2a_lightning.checkpoints.weights import read_weights

    missing = [name for name in (CONFIG, WEIGHTS) if not (folder / name).is_file()]
    if missing:
        raise UsageError(f"{folder} holds no mapper: {' and '.join(missing)} missing")
    config = dict(parsed(json.loads, (folder / CONFIG).read_bytes(), folder / CONFIG))
    if not _is_of_a_mapper(config):
        raise UsageError(f"{folder / CONFIG} does not describe a mapper: it names no network")
    return _public(config), read_weights(folder / WEIGHTS)


def _is_of_a_mapper(config: Any) -> bool:
    return isinstance(config, dict) and "network" in config and all(isinstance(key, str) for key in config)


def _public(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if not key.startswith("_")}


def _shape(tensor: Tensor | None) -> tuple[int, ...] | str:
    return "absent" if tensor is None else tuple(tensor.shape)


def _words(part: dict[str, Any]) -> str:
    arguments = ", ".join(f"{name}={value}" for name, value in part["init_args"].items())
    return f"{part['class_path'].rpartition('.')[2]}({arguments})"


def _card(mapper: "V2AMapper", others: Mapping[str, str]) -> str:
    parts = {key: _words(value) if isinstance(value, dict) else value for key, value in mapper.describe().items()}
    rows = [f"| {key} | `{value}` |" for key, value in _public(parts).items()]
    rows += [f"| {key} | {value} |" for key, value in others.items()]
    return CARD_TEXT.format(
        name=type(mapper.network).__name__,
        rows="\n".join(rows),
        parameters=sum(parameter.numel() for parameter in mapper.parameters()),
        usage=PIPELINE_USAGE if others else MAPPER_USAGE,
    )
