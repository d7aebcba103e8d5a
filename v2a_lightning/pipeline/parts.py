"""The parts of a pipeline, as checkpoints of `fit` and folders of `save_pretrained` describe them."""

import csv
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
import yaml

from v2a_lightning.assembled_mapper import Mapper
from v2a_lightning.components import SelfDescribing, make, parsed
from v2a_lightning.encoders import Encoder, EncoderSet
from v2a_lightning.encoders.base import Encoders
from v2a_lightning.errors import UsageError
from v2a_lightning.generators import Generator
from v2a_lightning.runs import CONFIG_KEY, METRICS_FILE, epoch_of, run_of
from v2a_lightning.saved_mapper import pretrained_folder

Part = TypeVar("Part", bound=SelfDescribing)

PIPELINE_FILE = "pipeline.json"
# What pipelines and configs of earlier versions call a part.
OLD_NAMES = {"encoder": "clip", "generator": "audioldm"}
# Of a validation, what is no score.
NO_SCORES = ("val/evaluation_seconds", "val/failed_clips")


def read_parts(source: str | Path) -> tuple[Mapper, dict[str, Any]]:
    """The mapper, and what is said of the models round it: `encoder`, `generator`, `frames`, `training`.

    Raises:
        UsageError: when there is no pipeline there.
    """
    path = Path(source)
    if path.is_file():
        mapper, parts = Mapper.from_pretrained(path), _parts_of_checkpoint(path)
    else:
        path = pretrained_folder(source)
        described = path / PIPELINE_FILE
        if not described.is_file():
            raise UsageError(f"{source} is neither a checkpoint nor a pipeline's folder: there is no {described}")
        parts = parsed(json.loads, described.read_bytes(), described)
        mapper = Mapper.from_pretrained(path)
    return mapper, {**parts, **{name: parts.get(name, parts.get(old)) for name, old in OLD_NAMES.items()}}


def make_encoders(described: Any, given: Encoders | str | None, source: str) -> Encoders:
    """The encoder of frames, or several by name."""
    if isinstance(given, Mapping):
        return given
    if given is None and isinstance(described, Mapping) and "class_path" not in described:
        return {name: make_part(one, None, Encoder, f"{source}.{name}") for name, one in described.items()}  # type: ignore[type-abstract]
    if given is None and "encoders" in _arguments(described):
        return make(described, EncoderSet, source)
    return make_part(described, given, Encoder, source)  # type: ignore[type-abstract]


def make_generator(described: Any, given: Generator | str | None, source: str) -> Generator:
    """The generator."""
    return make_part(described, given, Generator, source)  # type: ignore[type-abstract]


def make_part(described: Any, given: Part | str | None, expected: type[Part], source: str) -> Part:
    """A part from its description, another checkpoint for it, or what takes its place."""
    if isinstance(given, expected):
        return given
    if described is None and given is None:
        raise UsageError(f"{source}: none is named there; give one (--{source.rpartition(' ')[2]})")
    if isinstance(described, Mapping) and given is not None:
        described = {**described, "init_args": {**_arguments(described), "checkpoint": given}}
    return make(given if described is None else described, expected, source)


def _parts_of_checkpoint(path: Path) -> Mapping[str, Any]:
    """What a run's config says of the models round the mapper, and how the run went."""
    text = torch.load(path, map_location="meta", weights_only=True).get(CONFIG_KEY)
    if text is None:
        raise UsageError(f"{path} was not written by `fit`: it does not hold the run's config")
    config = parsed(yaml.safe_load, text, path)
    data, evaluation = (_arguments(config.get(key)) for key in ("data", "evaluation"))
    if "frames" not in data:
        raise UsageError(f"{path}: the config in it does not say which frames its data was made with")
    name = str(config["data"].get("class_path", "")).rpartition(".")[2].removesuffix("DataModule")
    epoch = epoch_of(path) or 0
    return {**evaluation, **data, "training": {"data": name, "epoch": epoch, "scores": _scores(path, epoch)}}


def _scores(checkpoint: Path, epoch: int) -> dict[str, float]:
    """What the run's metrics.csv says of the validation after an epoch; nothing where it is not there."""
    path = run_of(checkpoint) / METRICS_FILE
    if not path.is_file():
        return {}
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("epoch") == str(epoch)]
    found = {name: float(text) for row in rows for name, text in row.items() if _is_score(name, text)}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _is_score(name: str, text: str | None) -> bool:
    return bool(text) and name.startswith("val/") and name not in NO_SCORES


def _arguments(described: Any) -> Mapping[str, Any]:
    arguments = described.get("init_args") if isinstance(described, Mapping) else None
    return arguments if isinstance(arguments, Mapping) else {}
