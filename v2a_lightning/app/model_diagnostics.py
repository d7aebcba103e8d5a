"""Whether a model can be relied on: there, whole, readable, and what may be done with it."""

import json
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from v2a_lightning.checkpoints.fetch import file_name
from v2a_lightning.checkpoints.frozen_model import READING_ERRORS, FrozenModel, checkpoint_files, first_line
from v2a_lightning.checkpoints.known import CHECKPOINTS, Checkpoint, licence_of
from v2a_lightning.checkpoints.registry import cache_folder, find, mirror_name, resolve
from v2a_lightning.errors import V2AError
from v2a_lightning.files import sha256_file

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One line of doctor's.

    Args:
        level: ok, warning (the run will do something, perhaps not what is wanted) or error (it will fail).
        subject: what was looked at.
        text: what was found.
        remedy: what to do about it; empty when all is well.
    """

    level: Level
    subject: str
    text: str
    remedy: str = ""


def check_file(kind: str, checkpoint: str, fetch: bool = False) -> Finding:
    """Whether a checkpoint is on this machine (fetched, if wished) and is the published file.

    Args:
        kind: as `registry.resolve` takes it.
        checkpoint: as a config names it.
        fetch: download what is missing.
    """
    try:
        path = find(checkpoint, kind)
        if path is None and fetch:
            path = resolve(checkpoint, kind)
    except V2AError as error:
        return Finding("error", kind, str(error), "correct the name, or fetch the file")
    entry = CHECKPOINTS.get(checkpoint)
    if path is None:
        text = f"{checkpoint} is not on this machine; licence {licence_of(checkpoint)}"
        return Finding("error", kind, text, _how_to_fetch(checkpoint, entry))
    return _check_content(kind, checkpoint, path, entry)


def check_model(model: Any, fetch: bool = False) -> Iterator[Finding]:
    """Whether an encoder's or a generator's weights are there and can be read, and what it is."""
    subject = getattr(model, "kind", model.name)
    if isinstance(model, FrozenModel):
        file = check_file(model.kind, model.checkpoint, fetch)
        yield file
        if file.level == "error":
            return
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            text = model.load().summary() if isinstance(model, FrozenModel) else model.name
    except (V2AError, *READING_ERRORS) as error:
        named = getattr(model, "checkpoint", model.name)
        remedy = "fetch it again, or name another checkpoint"
        yield Finding("error", subject, f"{named} cannot be used: {first_line(error)}", remedy)
        return
    yield Finding("ok", subject, f"opens: {text}")
    for warning in caught:
        if "head_counts" in str(warning.message):
            problem, _, remedy = str(warning.message).rpartition(". ")
            yield Finding("warning", subject, problem, remedy)


def weight_bytes(model: Any) -> int:
    """Bytes of a loaded model's weights; 0 for one that is no FrozenModel."""
    parts = model.load()._parts.values() if isinstance(model, FrozenModel) else ()
    modules = [part for part in parts if isinstance(part, torch.nn.Module)]
    return sum(tensor.nbytes for module in modules for tensor in module.state_dict().values())


def _check_content(kind: str, checkpoint: str, path: Path, entry: Checkpoint | None) -> Finding:
    licence = f"licence {licence_of(checkpoint)}"
    if (path / "card.json").is_file() and entry is None:
        return _check_card(kind, checkpoint, path, licence)
    if entry is None or not (known := _published(path, entry)):
        return Finding("ok", kind, f"{checkpoint}: {path}; no published sha256 to compare it with; {licence}")
    for file, (size, sha256) in known.items():
        digest = sha256_file(file)
        if size not in (None, file.stat().st_size) or digest != sha256:
            text = f"{file} is not the published file: {file.stat().st_size} bytes, sha256 {digest[:16]}..."
            return Finding("error", kind, text, f"remove it and fetch it again from {entry.source}")
    return Finding("ok", kind, f"{checkpoint}: {path}, sha256 as published; {licence}")


def _published(path: Path, entry: Checkpoint) -> dict[Path, tuple[int | None, str]]:
    """Sizes and digests of the weights that are read from a file or folder, as far as they are known."""
    name = file_name(entry.source)
    named = {file: name if file == path else file.relative_to(path).as_posix() for file in checkpoint_files(path)}
    return {file: entry.digests[name] for file, name in named.items() if name in entry.digests}


def _check_card(kind: str, checkpoint: str, path: Path, licence: str) -> Finding:
    """The miniature's folders carry a card with the sha256 of each of their files."""
    stated = json.loads((path / "card.json").read_text()).get("sha256", {})
    for name, digest in stated.items():
        if sha256_file(path / name) != digest:
            text = f"{path / name} is not the file its card describes"
            return Finding("error", kind, text, "install the package again")
    known = "sha256 as on its card" if stated else "no sha256 on its card"
    return Finding("ok", kind, f"{checkpoint}: {path}, {known}; {licence}")


def _how_to_fetch(checkpoint: str, entry: Checkpoint | None) -> str:
    by_hand = f"or put {mirror_name(checkpoint)} into a folder and name the folder in V2A_MIRROR"
    if entry is None:
        return f"--fetch true downloads it; {by_hand}"
    about = "about " if "megabytes" in entry.unverified else ""
    room = f"{about}{entry.megabytes} MB to {cache_folder()}, where {free_bytes(cache_folder()) // 10**6} MB are free"
    return f"--fetch true downloads it ({room}); {by_hand}"


def free_bytes(path: Path) -> int:
    """Room on the disk where a path is, or will be."""
    existing = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    return shutil.disk_usage(existing).free
