"""The engine that runs extraction on a Ray cluster: processors of all its machines decode, its GPUs embed.

Ray Data moves decoded clips to the encoders and runs again what was on a machine that is lost. This process writes what
comes back, so each row is written once, however often its clip was embedded. What is done is known by clip id, from the
store, as with every engine. Ray's own list of done ids (`CheckpointConfig`) is a second truth beside the store: with a
sink that is none of Ray's own it may write a row twice, and it does not learn of shards that are lost.
"""

import logging
import math
import os
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from v2a_lightning.data_modules.extraction import EmbedStage, Extraction, Wanted
from v2a_lightning.data_modules.shares import Share
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.media.clip import ClipRequest
from v2a_lightning.media.remote import is_packed
from v2a_lightning.media.table_stage import DecodeTables
from v2a_lightning.progress import progress

if TYPE_CHECKING:
    from ray.data import Dataset

# Pieces of work: enough for every machine to have some, few enough for one process to hand them out.
MOST_BLOCKS = 2000


@dataclass(frozen=True)
class RayEngine:
    """Embeds on the cluster that RAY_ADDRESS names, or on this machine.

    Args:
        copies: of the encoders; by default one for each GPU, or one where there is none.
        gpu: whether the encoders run on GPUs; by default, where there are some.
    """

    copies: int | None = None
    gpu: bool | None = None

    @classmethod
    def of(cls, devices: int | str, accelerator: str) -> "RayEngine":
        """By the command's options; UsageError for what only Lightning knows."""
        if not (devices == "auto" or str(devices).isdecimal()) or accelerator not in ("auto", "cpu", "gpu", "cuda"):
            raise UsageError(
                "--engine ray takes a number for --devices and cpu or gpu for --accelerator, "
                f"not {devices} and {accelerator}"
            )
        return cls(None if devices == "auto" else int(devices), {"auto": None, "cpu": False}.get(accelerator, True))

    def __call__(self, extraction: Extraction, share: Share) -> None:
        """Embed the pending clips of a share; RunFailure when the cluster gives up."""
        pending = extraction.pending(share)
        if not pending:
            return
        resources = _connect()
        from ray.exceptions import RayError

        writer = extraction.store.writer(extraction.encoders.spec(), share.index)
        with progress("embedding clips on Ray", len(pending)) as advance, writer:
            try:
                for packed in _rows(self.dataset(extraction, pending, resources)):
                    embedded = pickle.loads(packed)
                    embedded.write(writer)
                    advance(embedded.clips)
            except RayError as error:
                raise RunFailure(f"Ray gave up: {f'{error}'.strip().splitlines()[-1]}") from error

    def dataset(self, extraction: Extraction, pending: Sequence[Wanted], resources: dict[str, float]) -> "Dataset":
        """The stages up to embedding, on a cluster of so many processors (CPU) and GPUs."""
        import ray
        from ray.data import ActorPoolStrategy, DataContext

        DataContext.get_current().enable_progress_bars = False
        gpus = int(resources.get("GPU", 0)) if self.gpu is not False else 0
        copies = self.copies or max(1, gpus)
        decoders = max(1, int(resources.get("CPU", 1)) - copies)
        blocks = list(_blocks(pending, extraction.requests(pending), extraction.decoding.encoder_batch_size))
        decoded = ray.data.from_arrow(blocks).map_batches(
            DecodeTables,
            fn_constructor_args=(extraction.decoding.timeout,),
            batch_size=None,
            batch_format="pyarrow",
            num_cpus=1,
            compute=ActorPoolStrategy(min_size=1, max_size=min(decoders, len(blocks))),
        )
        return decoded.map_batches(
            EmbedTables,
            fn_constructor_args=(extraction.embed, "cuda" if gpus else "cpu"),
            batch_size=extraction.decoding.encoder_batch_size,
            batch_format="pyarrow",
            num_cpus=1,
            num_gpus=1 if gpus else 0,
            compute=ActorPoolStrategy(size=copies),
        )


class EmbedTables:
    """Embeds tables of `clip` and `outcome` into a row each: a pickled EmbeddedBatch."""

    def __init__(self, embed: EmbedStage, device: str) -> None:
        self._embed = embed
        embed.encoders.to(device)

    def __call__(self, table: pa.Table) -> pa.Table:
        """One table's batch."""
        columns = [[pickle.loads(one) for one in table[name].to_pylist()] for name in ("clip", "outcome")]
        embedded = self._embed(list(zip(*columns, strict=True)))
        return pa.table({"embedded": pa.array([pickle.dumps(embedded, 5)])})


def _blocks(pending: Sequence[Wanted], requests: Sequence[ClipRequest], batch_size: int) -> Iterator[pa.Table]:
    """What one decoder does without a break: some clips, or all those of a compressed tar."""
    rows = max(batch_size, math.ceil(len(pending) / MOST_BLOCKS))
    block: list[tuple[bytes, bytes]] = []
    root: str | None = None
    for want, request in zip(pending, requests, strict=True):
        tar = request.path.root if is_packed(request.path) else None
        if block and (tar != root or (tar is None and len(block) == rows)):
            yield _table(block)
            block = []
        block.append((pickle.dumps(want.clip), pickle.dumps(request)))
        root = tar
    yield _table(block)


def _table(block: Sequence[tuple[bytes, bytes]]) -> pa.Table:
    return pa.table({"clip": [clip for clip, _ in block], "request": [request for _, request in block]})


def _rows(dataset: "Dataset") -> Iterator[bytes]:
    tables: Iterator[Any] = iter(dataset.iter_batches(batch_size=None, batch_format="pyarrow"))
    for table in tables:
        yield from table["embedded"].to_pylist()


def _connect() -> dict[str, float]:
    """What the cluster has; UsageError when Ray is not installed."""
    # Ray else sends its makers what it is used for.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise UsageError("--engine ray needs Ray; install it with pip install 'v2a-lightning[ray]'") from error
    if not ray.is_initialized():
        ray.init(log_to_driver=False, logging_level=logging.WARNING)
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return resources
