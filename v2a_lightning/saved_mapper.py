"""A mapper put together: sampled from, described, saved as a folder, and opened again."""

import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from huggingface_hub import ModelHubMixin
from safetensors.torch import save_file
from torch import Tensor, nn

from v2a_lightning.checkpoints.registry import resolve
from v2a_lightning.checkpoints.weights import first_bytes, read_weights, refuse_not_finite, without_values
from v2a_lightning.components import construct, parsed
from v2a_lightning.errors import UsageError
from v2a_lightning.files import atomic_write
from v2a_lightning.json_files import write_json
from v2a_lightning.mapper.base import Aggregator, Frames, Network, Objective
from v2a_lightning.randomness import Generators

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
CARD = "README.md"
PARTS = ("network", "objective", "aggregator")

CARD_TEXT = """---
library_name: v2a-lightning
pipeline_tag: other
tags: [video-to-audio, clip, clap, audioldm, model_hub_mixin]
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


class OnTheHub(ModelHubMixin):
    """`save_pretrained` and `push_to_hub` of Hugging Face; what is saved is `_save_pretrained`'s to write."""

    def _save_pretrained(self, save_directory: Path) -> None:
        raise TypeError(f"{type(self).__name__} does not say how it is saved")


class Mapper(nn.Module, OnTheHub):
    """Aggregator, network and objective together: from frame embeddings to what a generator is conditioned on.

    `save_pretrained(folder)` writes weights, config and a card; `push_to_hub("owner/name")` puts them on the Hub.

    Args:
        network: what predicts.
        objective: noise, loss and sampling.
        aggregator: one condition from a clip's frames.
        inference_aggregator: replaces the aggregator outside training.
        sampling_steps: network evaluations for one target.
        guidance: scale of classifier-free guidance; 1 is the plain conditional model.
        seed: of all that is drawn.

    Raises:
        UsageError: when the parts are made for different widths, or the inference aggregator has weights.
    """

    init_from: str | None = None
    """The mapper whose weights the training began with."""

    def __init__(
        self,
        network: Network,
        objective: Objective,
        aggregator: Aggregator,
        inference_aggregator: Aggregator | None = None,
        sampling_steps: int = 50,
        guidance: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if inference_aggregator is not None and list(inference_aggregator.parameters()):
            name = type(inference_aggregator).__name__
            raise UsageError(f"inference_aggregator: {name} has weights, so it has to be trained as the aggregator")
        if objective.dim is not None and objective.dim != network.condition_dim:
            raise UsageError(
                f"model.objective {type(objective).__name__} is made for conditions of width {objective.dim} (dim) and "
                f"model.network {type(network).__name__} for {network.condition_dim} (condition_dim)"
            )
        self.network = network
        self.objective = objective
        self.aggregator = aggregator
        self.inference_aggregator = inference_aggregator
        self.sampling_steps = sampling_steps
        self.guidance = guidance
        self.seed = seed

    def describe(self) -> dict[str, Any]:
        """How to make this mapper again, but for its optimiser: plain values, as in a YAML."""
        parts = {name: getattr(self, name) for name in (*PARTS, "inference_aggregator")}
        described = {name: part.describe() if part is not None else None for name, part in parts.items()}
        settings = {name: getattr(self, name) for name in ("sampling_steps", "guidance", "seed")}
        return {**described, **settings, **({"init_from": self.init_from} if self.init_from else {})}

    @torch.no_grad()
    def sample(
        self,
        frames: Frames,
        frame_mask: Tensor | None = None,
        *,
        generator: Generators,
        steps: int | None = None,
        guidance: float | None = None,
    ) -> Tensor:
        """Draw one target for each clip.

        Args:
            frames: (B, T, D) frame embeddings, L2-normalised; of several encoders, a dict of them.
            frame_mask: (B, T), true where a frame is real; all are when not given.
            generator: one for the batch, or one for each clip; with the latter a clip never depends on its neighbours.
            steps: instead of `sampling_steps`.
            guidance: instead of `guidance`.

        Returns:
            (B, N, D) float32, L2-normalised unless the objective has a `target_scale`.
        """
        if frame_mask is None:
            some = frames if isinstance(frames, Tensor) else next(iter(frames.values()))
            frame_mask = torch.ones(some.shape[:2], dtype=torch.bool, device=some.device)
        return self.objective.sample(
            self.network,
            self.condition(self.inference_aggregator or self.aggregator, frames, frame_mask, generator),
            self.sampling_steps if steps is None else steps,
            self.guidance if guidance is None else guidance,
            generator,
        )

    def condition(self, aggregator: Aggregator, frames: Frames, mask: Tensor, generator: Generators) -> Tensor:
        """Conditions (B, C) of frames (B, T, D) with a mask (B, T).

        Raises:
            UsageError: when the widths do not fit.
        """
        wanted = getattr(aggregator, "dim", None)
        if isinstance(frames, Tensor) and wanted not in (None, frames.shape[-1]):
            raise UsageError(f"frame embeddings have width {frames.shape[-1]} and the aggregator {wanted}")
        if not isinstance(frames, Tensor) and not aggregator.joins:
            raise UsageError(
                f"{type(aggregator).__name__} takes the frames of one encoder, and the data has several "
                f"({', '.join(frames)}); give model.aggregator JointAggregator"
            )
        condition: Tensor = aggregator(frames, mask, generator)
        if condition.shape[-1] != self.network.condition_dim:
            raise UsageError(
                f"frame embeddings have width {condition.shape[-1]} and the network {self.network.condition_dim}"
            )
        return condition

    def _save_pretrained(self, save_directory: Path) -> None:
        save_pretrained(self, save_directory)

    @classmethod
    def from_pretrained(cls, source: str | Path) -> Self:  # type: ignore[override]
        """A mapper ready to sample from: of a checkpoint file, a folder of `save_pretrained`, or a Hugging Face name.

        Raises:
            UsageError: when there is no mapper there.
        """
        saved = read_mapper(source)
        config = dict(saved.config)
        origin = config.pop("init_from", None)
        with without_values():
            mapper = construct(cls, config, saved.path)
        saved.load_into(mapper)
        mapper.init_from = origin
        return mapper.eval()


@dataclass(frozen=True)
class SavedMapper:
    """A mapper's description and weights, as they were read. Of a run that kept an average, the averaged weights."""

    path: Path
    config: dict[str, Any]
    weights: dict[str, Tensor]

    def load_into(self, mapper: Mapper) -> None:
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


def save_pretrained(mapper: Mapper, folder: Path, others: Mapping[str, str] | None = None) -> None:
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
    """A mapper's description and weights from a checkpoint file, a folder, or the name of a Hugging Face repository.

    Raises:
        UsageError: when there is no mapper there.
    """
    path = Path(source)
    return _read_checkpoint(path) if path.is_file() else _read_folder(pretrained_folder(source))


def pretrained_folder(source: str | Path) -> Path:
    """A folder of `save_pretrained`: a local one, or the Hub's `owner/name` or `owner/name@revision`, fetched once.

    Raises:
        UsageError: when there is none, or it would have to be fetched and nothing may be.
        RunFailure: when fetching it fails.
    """
    return resolve(str(source), "mapper")


def refuse_other_mapper(mapper: Mapper, weights: Mapping[str, Tensor], config: Mapping[str, Any]) -> None:
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


def _card(mapper: Mapper, others: Mapping[str, str]) -> str:
    parts = {key: _words(value) if isinstance(value, dict) else value for key, value in mapper.describe().items()}
    rows = [f"| {key} | `{value}` |" for key, value in parts.items()]
    rows += [f"| {key} | {value} |" for key, value in others.items()]
    return CARD_TEXT.format(
        name=type(mapper.network).__name__,
        rows="\n".join(rows),
        parameters=sum(parameter.numel() for parameter in mapper.parameters()),
        usage=PIPELINE_USAGE if others else MAPPER_USAGE,
    )
