"""Mappers as folders: weights, the words to make them again, and a card; and what to say when weights do not fit."""

import json
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

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
tags: [video-to-audio, clip, clap, audioldm]
---
# {name}

Maps CLIP embeddings of a clip's frames to a CLAP audio embedding, from which AudioLDM makes sound.

| part | made as |
|---|---|
{rows}
| parameters | {parameters:,} |

```python
from v2a_lightning.module import V2AMapper

mapper = V2AMapper.from_pretrained("this folder")
```
"""


def save_pretrained(mapper: "V2AMapper", folder: Path) -> None:
    """Write `model.safetensors`, `config.json` and README.md."""
    from safetensors.torch import save_file

    with atomic_write(folder / WEIGHTS) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in mapper.state_dict().items()}, temporary)
    with atomic_write(folder / CONFIG) as temporary:
        temporary.write_text(json.dumps(_public(mapper.describe()), indent=2) + "\n")
    with atomic_write(folder / CARD) as temporary:
        temporary.write_text(_card(mapper))


def load_pretrained(cls: type["V2AMapper"], source: str | Path) -> "V2AMapper":
    """A mapper in evaluation mode from a checkpoint file, a folder, or the name of a Hugging Face repository.

    Raises:
        UsageError: when there is no mapper there.
    """
    path = Path(source)
    if path.is_file():
        config, weights = _read_checkpoint(path)
    else:
        config, weights = _read_folder(path if path.is_dir() else _download(str(source)))
    mapper = make_mapper(cls, config)
    refuse_other_mapper(mapper, weights, config)
    mapper.load_state_dict(weights)
    return mapper.eval()


def make_mapper(cls: type["V2AMapper"], config: dict[str, Any]) -> "V2AMapper":
    """An untrained mapper from the words of `V2AMapper.describe`."""
    from lightning.pytorch.cli import instantiate_module

    return instantiate_module(cls, _public(config))


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
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UsageError(
            f"{path} is no checkpoint, or holds more than plain values and tensors, which may run code when read: "
            "if you trust it, use V2AMapper.load_from_checkpoint(..., weights_only=False)"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        raise UsageError(f"{path} is not a readable checkpoint: {str(error).splitlines()[0]}") from error
    config = checkpoint.get("hyper_parameters", {}) if isinstance(checkpoint, dict) else {}
    if "network" not in config or "state_dict" not in checkpoint:
        raise UsageError(f"{path} is not a checkpoint of a mapper")
    return config, checkpoint["state_dict"]


def _read_folder(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    from safetensors.torch import load_file

    missing = [name for name in (CONFIG, WEIGHTS) if not (folder / name).is_file()]
    if missing:
        raise UsageError(f"{folder} holds no mapper: {' and '.join(missing)} missing")
    return json.loads((folder / CONFIG).read_text()), load_file(folder / WEIGHTS)


def _download(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        return Path(snapshot_download(name, allow_patterns=[CONFIG, WEIGHTS, CARD]))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        message = f"{name}: no such checkpoint or folder here, and not to be had from Hugging Face"
        raise UsageError(message) from error


def _public(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if not key.startswith("_")}


def _shape(tensor: Tensor | None) -> tuple[int, ...] | str:
    return "absent" if tensor is None else tuple(tensor.shape)


def _words(part: dict[str, Any]) -> str:
    arguments = ", ".join(f"{name}={value}" for name, value in part["init_args"].items())
    return f"{part['class_path'].rpartition('.')[2]}({arguments})"


def _card(mapper: "V2AMapper") -> str:
    config = _public(mapper.describe())
    rows = [f"| {key} | `{_words(value) if isinstance(value, dict) else value}` |" for key, value in config.items()]
    name = type(mapper.network).__name__
    parameters = sum(parameter.numel() for parameter in mapper.parameters())
    return CARD_TEXT.format(name=name, rows="\n".join(rows), parameters=parameters)
