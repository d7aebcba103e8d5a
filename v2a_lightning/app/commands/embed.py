"""`embed`: write the embeddings of a data set's clips to a store, on any number of devices."""

import logging
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from v2a_lightning.errors import UsageError

if TYPE_CHECKING:
    from v2a_lightning.data_modules import EncodedDataModule


def embed(
    config: list[str],
    set: list[str] | None = None,
    devices: int | str = "auto",
    accelerator: str = "auto",
    strategy: str = "auto",
    num_nodes: int = 1,
    add_encoder: bool = False,
) -> int:
    """Write the CLIP and CLAP embeddings of a config's clips to its store.

    What the store has is skipped, so the command can be killed and started again, and clips that come later cost only
    themselves. Every process (torchrun and SLURM are recognised) embeds its share and writes shards of its own. Clips
    that cannot be used are listed with their reasons in the store's rejects.csv.

    Exits 1 when a clip that has a file could not be embedded, and the store is complete but for those: a `fit` trains
    on what there is. Clips without a file, and those that data.manifest rejects, are not counted for that. Ended by
    SIGTERM (143) or Ctrl-C (130) it writes what it has. One job at a time writes to a store; a second one waits.

    Args:
        config: YAML of an experiment, or several that are merged; of it, `data` is used.
        set: key=value over the config, such as data.store=s3://bucket/embeddings.
        devices: how many, or which; see Lightning's Trainer.
        accelerator: cpu, gpu, ...
        strategy: Lightning's name of how processes are started.
        num_nodes: machines.
        add_encoder: put embeddings of the config's encoders beside those of others in the store.
    """
    from lightning.pytorch import Trainer

    from v2a_lightning.callbacks.embedding_writer import StoreEmbeddings
    from v2a_lightning.data_modules.distributed import ExtractionData, ExtractionModule
    from v2a_lightning.signals import interrupts_as_they_are

    # What devices there are, and what else one might install, is told at every start.
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    data = _data_module(config, set or [])
    trainer = Trainer(
        accelerator=accelerator,
        devices=devices,
        strategy=strategy,
        num_nodes=num_nodes,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[StoreEmbeddings(data.store, data.encoders.spec())],
    )
    with interrupts_as_they_are():
        trainer.predict(ExtractionModule(data), datamodule=ExtractionData(data, add_encoder), return_predictions=False)
    return _report(data) if trainer.is_global_zero else 0


def _data_module(configs: list[str], settings: list[str]) -> "EncodedDataModule":
    """The data module that a `fit` of these configs would have.

    Raises:
        UsageError: when the config is wrong, or names data that is not made from media files.
    """
    from jsonargparse import ArgumentError
    from omegaconf.errors import OmegaConfBaseException

    from v2a_lightning.app.lightning_cli import MapperCLI
    from v2a_lightning.app.messages import one_line
    from v2a_lightning.data_modules import EncodedDataModule

    class WithoutTrainer(MapperCLI):
        """The config's trainer is one for training, with callbacks and loggers that would leave traces."""

        def instantiate_trainer(self, **_: Any) -> Any:
            return None

    if wrong := [one for one in settings if "=" not in one]:
        raise UsageError(f"--set wants key=value, not {wrong[0]!r}")
    arguments = [f"--config={config}" for config in configs] + [f"--{one}" for one in settings]
    try:
        data = WithoutTrainer("validate", arguments).datamodule
    except (ArgumentError, OmegaConfBaseException) as error:
        raise UsageError(one_line(error)) from error
    if not isinstance(data, EncodedDataModule):
        raise UsageError(f"{type(data).__name__} has no media files to embed")
    return data


def _report(data: "EncodedDataModule") -> int:
    """Say what became of the clips; the exit code."""
    counts = Counter(clip.split for clip in data.usable_clips)
    used = ", ".join(f"{count} {split}" for split, count in sorted(counts.items()))
    reasons = Counter(reject.reason for reject in data.rejects).most_common()
    why = f" ({', '.join(f'{count} {reason}' for reason, count in reasons)}), see rejects.csv" if reasons else ""
    print(f"{data.store.url}: {used or 'no clip'}; {len(data.rejects)} not used{why}", file=sys.stderr)
    if data.unused_splits:
        print(data.unused_splits, file=sys.stderr)
    return int(bool(data.left_out))
