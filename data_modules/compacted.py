"""The compacted form of a store: one file with the embeddings of all its clips, one row a clip, ordered by id.

It is mapped into memory. The processes of a machine share the one copy that the system keeps of what they read, and
opening it reads nothing but ids, labels, splits and paths. It is a file of safetensors with, beside the embeddings
(N, T, D) under the name of each encoder's part of the store, `facts`: an Arrow file with the rest.

The shards stay what the store is: the file is made from them, knows which they were, and is refused when they are
others. The shards' checksums are compared when it is made.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from v2a_lightning.data_modules.locking import StoreLock
from v2a_lightning.data_modules.shards import DAMAGE, SHARD_SUFFIX
from v2a_lightning.data_modules.store import EmbeddingStore
from v2a_lightning.data_modules.stored_clips import (
    FACTS,
    Layout,
    StoredClips,
    read_clips,
    read_facts,
    refuse_unsafe_ids,
)
from v2a_lightning.data_modules.towers import StoreSpec
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.files import atomic_write, remove_temporaries, reserve
from v2a_lightning.progress import say

AGAIN = "`python -m v2a_lightning embed --compact true`"
FACTS_NAME = "facts"
TYPES = {torch.float16: "F16", torch.float32: "F32", torch.float64: "F64", torch.uint8: "U8"}


def is_compacted(store: EmbeddingStore, spec: StoreSpec) -> bool:
    """Whether there is a compacted form, of these shards or of earlier ones."""
    return (path := _path(store, spec)) is not None and path.exists()


def compact(store: EmbeddingStore, spec: StoreSpec) -> Path:
    """Write the compacted form, unless it is there and whole, once nobody writes to the store; where it is.

    UsageError when the store is behind a URL, or has no clip that all encoders of `spec` have embedded.
    """
    path = _path(store, spec)
    if path is None:
        raise UsageError(f"{store.url} cannot be compacted, since only a file can be mapped: copy it to a folder first")
    if _why_not(path, store, spec):
        with StoreLock(store.folder):
            # A killed one leaves as much as it had written; another process may have done it meanwhile.
            remove_temporaries(path.parent, [path.stem])
            if why := _why_not(path, store, spec):
                say(f"compacting {store.url}: {why}")
                _write(path, store, spec)
    return path


def open_compacted(store: EmbeddingStore, spec: StoreSpec) -> StoredClips | None:
    """The clips of the compacted form; None when there is none.

    RunFailure when it is damaged, or was made from other shards than there are.
    """
    path = _path(store, spec)
    if path is None or not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            if file.metadata()["shards"] != _shards(store, spec):
                raise RunFailure(f"{path} was made from other shards than there are now; run {AGAIN}, or delete it")
            embeddings = {tower.subfolder: file.get_tensor(tower.subfolder) for tower in spec.towers}
            facts = _read_facts(file.get_tensor(FACTS_NAME), file.metadata()["facts_sha256"])
        for name, tensor in embeddings.items():
            if tensor.ndim != 3 or len(tensor) != len(facts) or not tensor.is_floating_point():
                raise ValueError(f"its {name} are no embeddings of {len(facts)} clips")
    except (*DAMAGE, TypeError, SafetensorError) as error:
        reason = f"{error}".splitlines() or [type(error).__name__]
        raise RunFailure(f"{path} is damaged ({reason[0]}); run {AGAIN}, or delete it") from error
    refuse_unsafe_ids(str(path), facts["clip_id"])
    return StoredClips(facts, embeddings)


def _path(store: EmbeddingStore, spec: StoreSpec) -> Path | None:
    """None behind a URL, where nothing can be mapped."""
    folder = store.folder.local_path
    return None if folder is None else folder / spec.compacted


def _shards(store: EmbeddingStore, spec: StoreSpec) -> str:
    """Stands for the shards of a spec; one is never changed, and no two have one name."""
    there = {tower.subfolder: store.folder.sizes(tower.subfolder, SHARD_SUFFIX) for tower in spec.towers}
    return hashlib.sha256(json.dumps(there, sort_keys=True).encode()).hexdigest()


def _why_not(path: Path, store: EmbeddingStore, spec: StoreSpec) -> str:
    """Why it has to be made; empty when it is there and whole."""
    if not path.exists():
        return "that was not done yet"
    try:
        open_compacted(store, spec)
    except RunFailure as failure:
        return str(failure)
    return ""


def _read_facts(content: Tensor, sha256: str) -> pa.Table:
    # Offsets that are not what was written would be followed to anywhere.
    buffer = pa.py_buffer(content.numpy())
    if hashlib.sha256(buffer).hexdigest() != sha256:
        raise ValueError("the checksum of its facts is another than when it was written")
    with pa.ipc.open_file(buffer) as file:
        facts = file.read_all()
    if facts.schema != FACTS:
        raise ValueError(f"its facts are {facts.schema.names}")
    facts.validate(full=True)
    return facts


def _write(path: Path, store: EmbeddingStore, spec: StoreSpec) -> None:
    shards = _shards(store, spec)
    facts = read_facts(store, spec)
    if not len(facts):
        raise UsageError(f"{store.url} has no clip that every encoder has embedded; there is nothing to compact")
    content = _facts_file(facts)
    metadata = {"shards": shards, "facts_sha256": hashlib.sha256(content).hexdigest()}
    with atomic_write(path) as temporary:

        def mapped(layouts: Mapping[str, Layout]) -> dict[str, Tensor]:
            facts_layout = {FACTS_NAME: Layout((len(content),), torch.uint8)}
            tensors = _create(temporary, {**layouts, **facts_layout}, metadata)
            tensors[FACTS_NAME].copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
            return tensors

        read_clips(store, spec, facts, mapped)


def _facts_file(facts: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, FACTS) as file:
        file.write_table(facts)
    return bytes(sink.getvalue())


def _create(path: Path, layouts: Mapping[str, Layout], metadata: Mapping[str, str]) -> dict[str, Tensor]:
    """Tensors of zeros in a new file of safetensors, mapped: what is put into them is in the file.

    safetensors itself writes tensors that are in memory, and these need not fit into it.
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    # The widest numbers first, so that each begins at a multiple of its own width.
    for name, layout in sorted(layouts.items(), key=lambda item: -item[1].dtype.itemsize):
        begin, end = end, end + math.prod(layout.shape) * layout.dtype.itemsize
        header[name] = {"dtype": TYPES[layout.dtype], "shape": layout.shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
    reserve(path)
    storage = torch.from_numpy(np.memmap(path, np.uint8, "r+", offset=8 + len(text), shape=(end,)))
    return {
        name: storage[slice(*header[name]["data_offsets"])].view(layout.dtype).view(layout.shape)
        for name, layout in layouts.items()
    }
