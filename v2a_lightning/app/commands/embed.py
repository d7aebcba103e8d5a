"""`embed`: write the embeddings of a data set's clips to a store, on any number of devices."""

import logging
import sys
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from v2a_lightning.app.config_keys import config_arguments
from v2a_lightning.app.messages import PROGRAM
from v2a_lightning.errors import UsageError

if TYPE_CHECKING:
    from v2a_lightning.data_modules import EncodedDataModule
    from v2a_lightning.data_modules.shares import Share


def embed(
    config: list[str],
    set: list[str] | None = None,
    devices: int | str = "auto",
    accelerator: str = "auto",
    strategy: str = "auto",
    num_nodes: int = 1,
    add_encoder: bool = False,
    compact: bool = False,
    stream: str | None = None,
    shard: str | None = None,
    engine: Literal["lightning", "ray"] = "lightning",
) -> int:
    """Write the embeddings of a config's clips to its store.

    What the store has is skipped, so the command can be killed and started again, and clips that come later cost only
    themselves. Every process (torchrun and SLURM are recognised) embeds its share and writes shards of its own. Clips
    that cannot be used are listed with their reasons in the store's rejects.csv.

    Exits 1 when a clip that has a file could not be embedded, and the store is complete but for those: a `fit` trains
    on what there is. Clips without a file, and those that data.manifest rejects, are not counted for that. Ended by
    SIGTERM (143) or Ctrl-C (130) it writes what it has. One job at a time writes to a store; a second one waits. Jobs
    that are started with --shard 1/8, 2/8, ... write to one store side by side and need not know of one another.

    Args:
        config: YAML of an experiment, or several that are merged; of it, `data` is used.
        set: key=value over the config, such as data.store=s3://bucket/embeddings.
        devices: how many, or which; see Lightning's Fabric. With --engine ray, how many copies of the encoders.
        accelerator: cpu, gpu, ...
        strategy: Lightning's name of how processes are started.
        num_nodes: machines.
        add_encoder: put embeddings of the config's encoders beside those of others in the store.
        compact: then write the store as one file too, which the processes of a machine that train share in memory.
        stream: then write a copy too, at a folder or URL that is empty, for StreamedDataModule: it trains on more
            clips than there is room for on the disk. The store is compacted for it.
        shard: only a part of the clips, such as 3/8, for jobs without a process group: SLURM arrays, spot machines.
        engine: lightning, or ray, which decodes on all processors of a Ray cluster (RAY_ADDRESS, or this machine) and
            embeds on its GPUs; it needs the extra `ray`.
    """
    arguments = config_arguments(config, set or [])
    from v2a_lightning.app.config_objects import read_data
    from v2a_lightning.data_modules.shares import Share
    from v2a_lightning.data_modules.streamed import write_stream

    share = None if shard is None else Share.parse(shard)
    if share is not None and (compact or stream):
        raise UsageError("--compact and --stream are of all shards: give them without --shard, when all are done")
    # What devices there are, and what else one might install, is logged at every start.
    logging.getLogger("lightning.fabric.utilities.rank_zero").setLevel(logging.WARNING)
    data = read_data(arguments)
    if engine == "ray":
        from v2a_lightning.data_modules.ray_engine import RayEngine

        data.embed(add_encoder=add_encoder, shard=share, engine=RayEngine.of(devices, accelerator))
    else:
        from lightning.fabric import Fabric

        fabric = Fabric(accelerator=accelerator, devices=devices, strategy=strategy, num_nodes=num_nodes)
        _launch(fabric, partial(_embed_share, data=data, add_encoder=add_encoder, shard=share))
        if not fabric.is_global_zero:
            return 0
    left_out = _report(data, share)
    if compact or stream:
        data.compact()
    if stream:
        write_stream(stream, data.store, data.encoders.spec(), data.usable_clips)
    if share is None:
        print(f"next: {PROGRAM} fit {' '.join(f'--config {one}' for one in config)}", file=sys.stderr)
    return int(left_out > 0)


def _launch(fabric: Any, function: Any) -> None:
    try:
        fabric.launch(function)
    except BaseException:
        for process in getattr(fabric.strategy.launcher, "procs", []):
            process.terminate()
        raise


def _embed_share(fabric: Any, data: "EncodedDataModule", add_encoder: bool, shard: "Share | None") -> None:
    data.embed(fabric.device, fabric.global_rank, fabric.world_size, fabric.barrier, add_encoder, shard)


def _report(data: "EncodedDataModule", shard: "Share | None") -> int:
    """Print what became of the clips; how many could not be embedded."""
    used, rejects, left_out, title = data.usable_clips, data.rejects, data.left_out, data.store.url
    if shard is not None:
        ids = {clip.clip_id for clip in shard.of(data.extraction().clips)}
        used = [clip for clip in used if clip.clip_id in ids]
        rejects = left_out = [reject for reject in left_out if reject.clip_id in ids]
        title += f", shard {shard}"
    counts = Counter(clip.split for clip in used)
    splits = ", ".join(f"{count} {split}" for split, count in sorted(counts.items()))
    reasons = Counter(reject.reason for reject in rejects).most_common()
    why = f" ({', '.join(f'{count} {reason}' for reason, count in reasons)}), see rejects.csv" if reasons else ""
    print(f"{title}: {splits or 'no clip'}; {len(rejects)} not used{why}", file=sys.stderr)
    if data.unused_splits:
        print(data.unused_splits, file=sys.stderr)
    return len(left_out)
