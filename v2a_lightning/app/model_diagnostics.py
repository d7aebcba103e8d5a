"""Whether a frozen model can be relied on: there, whole, readable, of the right width, and what may be done with it."""

import json
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from v2a_lightning.checkpoints.frozen_model import READING_ERRORS, FrozenModel, checkpoint_files, first_line
from v2a_lightning.checkpoints.known import CHECKPOINTS, Checkpoint, licence_of
from v2a_lightning.checkpoints.registry import cache_folder, find, mirror_name, resolve
from v2a_lightning.encoders.clap import ClapEncoder
from v2a_lightning.encoders.open_clip import ClipEncoder
from v2a_lightning.errors import V2AError
from v2a_lightning.files import sha256_file
from v2a_lightning.generators.audioldm import AudioLDM
from v2a_lightning.generators.clap_match import compare

MAPPER_WIDTH = 512

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One line of a checkup.

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
            resolve(checkpoint, kind)
            path = find(checkpoint, kind)
    except V2AError as error:
        return Finding("error", kind, str(error), "correct the name, or fetch the file")
    entry = CHECKPOINTS.get(checkpoint)
    if path is None:
        text = f"{checkpoint} is not on this machine; licence {licence_of(checkpoint)}"
        return Finding("error", kind, text, _how_to_fetch(checkpoint, entry))
    return _check_content(kind, checkpoint, path, entry)


def check_model(model: FrozenModel, fetch: bool = False) -> Iterator[Finding]:
    """Whether a model's weights are there, can be read, and give what the mapper works on."""
    file = check_file(model.kind, model.checkpoint, fetch)
    yield file
    if file.level == "error":
        return
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            description = describe(model)
            width = model.embedding_dim
    except (V2AError, *READING_ERRORS) as error:
        text = f"{model.checkpoint} cannot be used: {first_line(error)}"
        yield Finding("error", model.kind, text, "fetch it again, or name another checkpoint")
        return
    if width == MAPPER_WIDTH:
        yield Finding("ok", model.kind, f"opens: {description}")
    else:
        text = f"its embeddings have {width} numbers, the mapper works on {MAPPER_WIDTH}"
        yield Finding("error", model.kind, text, f"name a {model.kind} of width {MAPPER_WIDTH}")
    for warning in caught:
        if "head_counts" in str(warning.message):
            said, _, remedy = str(warning.message).rpartition(". ")
            yield Finding("warning", model.kind, said, remedy)


def describe(model: FrozenModel) -> str:
    """What a loaded model is, in a line; looks at whatever may be missing in silence, such as a tokenizer's words."""
    model.load()
    if isinstance(model, ClipEncoder):
        return f"{model.embedding_dim} wide, {model.image_size} px, {_vocabulary(model)} tokens"
    if isinstance(model, ClapEncoder):
        texts = "reads texts" if model.has_tokenizer else "has no tokenizer, which only texts need"
        if model.has_tokenizer:
            model.encode_text([""])
        return f"{model.embedding_dim} wide, {model.sample_rate} Hz, {texts}"
    if isinstance(model, AudioLDM):
        heads = "/".join(map(str, model.attention_heads))
        return f"{model.embedding_dim} wide, {model.sample_rate} Hz, {heads} attention heads"
    return model.name


def check_same_clap(clap: ClapEncoder, audioldm: AudioLDM) -> Finding:
    """Whether the CLAP that the targets come from is the one the AudioLDM was trained with."""
    remedy = f"name the checkpoint of AudioLDM ({audioldm.checkpoint}) for clap too, if it holds its own CLAP"
    try:
        agreement = compare(clap, audioldm.path)
    except (V2AError, *READING_ERRORS) as error:
        return Finding("error", "clap", f"cannot be compared with AudioLDM's: {first_line(error)}", remedy)
    if agreement.same is None:
        return Finding("warning", "clap", f"may not be the one AudioLDM was trained with: {agreement.evidence}", remedy)
    if agreement.same:
        return Finding("ok", "clap", f"is the one AudioLDM was trained with: {agreement.evidence}")
    return Finding("error", "clap", f"is not the one AudioLDM was trained with: {agreement.evidence}", remedy)


def weight_bytes(model: FrozenModel) -> int:
    """Bytes of a loaded model's weights."""
    import torch

    modules = [part for part in model.load()._parts.values() if isinstance(part, torch.nn.Module)]
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
    digests = entry.digests
    named = {file: entry.file if file == path else file.relative_to(path).as_posix() for file in checkpoint_files(path)}
    return {file: digests[name] for file, name in named.items() if name in digests}


def _check_card(kind: str, checkpoint: str, path: Path, licence: str) -> Finding:
    """The miniature's folders carry a card with the sha256 of each of their files."""
    stated = json.loads((path / "card.json").read_text()).get("sha256", {})
    other = [name for name, digest in stated.items() if sha256_file(path / name) != digest]
    if other:
        return Finding(
            "error", kind, f"{path / other[0]} is not the file its card describes", "install the package again"
        )
    known = "sha256 as on its card" if stated else "no sha256 on its card"
    return Finding("ok", kind, f"{checkpoint}: {path}, {known}; {licence}")


def _how_to_fetch(checkpoint: str, entry: Checkpoint | None) -> str:
    by_hand = f"or put {mirror_name(checkpoint)} into a folder and name the folder in V2A_MIRROR"
    if entry is None:
        return f"--fetch true downloads it; {by_hand}"
    free = shutil.disk_usage(_existing_parent(cache_folder())).free // 10**6
    about = "about " if "megabytes" in entry.unverified else ""
    room = f"{about}{entry.megabytes} MB to {cache_folder()}, where {free} MB are free"
    return f"--fetch true downloads it ({room}); {by_hand}"


def _existing_parent(path: Path) -> Path:
    return next(parent for parent in (path, *path.absolute().parents) if parent.exists())


def _vocabulary(clip: Any) -> int:
    """Tokens of a CLIP's tokenizer, which must be all that its text tower knows.

    Raises:
        ValueError: when they are not.
    """
    tokenizer, model = clip._part("tokenizer"), clip._part("model")
    count = len(tokenizer.tokenizer) if hasattr(tokenizer, "tokenizer") else int(tokenizer.vocab_size)
    expected = getattr(model, "vocab_size", count)
    if count != expected:
        raise ValueError(f"its tokenizer has {count} tokens, its text tower {expected}; tokenizer files are missing")
    return count
