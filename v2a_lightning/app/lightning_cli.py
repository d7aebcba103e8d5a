"""`fit`, `validate`, `test` and `predict`: LightningCLI with one folder per run and one line per mistake."""

import os
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from jsonargparse import ArgumentError, Namespace
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.plugins import CheckpointIO
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_info, rank_zero_only
from omegaconf.errors import OmegaConfBaseException

from v2a_lightning.app.config_keys import PLAIN_KEYS, where_keys_are
from v2a_lightning.app.endings import conclude
from v2a_lightning.app.loggers import WandbExtras, loggers_for
from v2a_lightning.app.messages import PROGRAM, one_line, quiet_lightning
from v2a_lightning.app.saved_config import SaveConfig, variables_read, without_environment
from v2a_lightning.app.stopping import StopOnSignal
from v2a_lightning.app.trainer_options import nulls_spelt_out, refuse_unsupported
from v2a_lightning.assembled_mapper import Mapper
from v2a_lightning.checkpoint_files import WholeCheckpoints
from v2a_lightning.checkpoints.weights import refuse_not_finite
from v2a_lightning.data_modules.clip_data_module import ClipDataModule
from v2a_lightning.data_modules.loaders import share_of_batch
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.project_configs import config_files, with_config_paths
from v2a_lightning.runs import (
    CHECKPOINTS,
    LAST,
    RunSettings,
    claim_folder,
    damage,
    find_checkpoint,
    new_run_name,
    refuse_taken_folder,
    run_of,
    run_of_job,
)
from v2a_lightning.signals import interrupts_as_they_are
from v2a_lightning.widths import Widths

CALLBACK_KEYS = ("evaluation", "averaging")
# What torch says of a file that is none of its own depends on the file's first bytes.
NO_CHECKPOINT = (RuntimeError, EOFError, OSError, ValueError, LookupError, AttributeError, TypeError, UnpicklingError)


def run(command: str, arguments: Sequence[str]) -> int:
    """Run one of Lightning's commands by config.

    Raises:
        UsageError: when the config is wrong.
    """
    quiet_lightning()
    try:
        cli = MapperCLI(command, nulls_spelt_out(with_config_paths(arguments)))
    except (ArgumentError, OmegaConfBaseException, UnicodeDecodeError, RecursionError) as error:
        # A parser of YAML knows the text it was given, and not the file that was from.
        message = one_line(error).replace('"<unicode string>"', " ".join(config_files(arguments)) or "an option")
        raise UsageError(f"{message}; {where_keys_are(command, arguments, message)}") from error
    try:
        # What this project's checkpoints hold is plain, and of a stranger's nothing is to be executed.
        options = {"ckpt_path": cli.checkpoint, "weights_only": True}
        if command != "fit":
            options |= {"return_predictions": False} if command == "predict" else {"verbose": False}
        if command != "fit" and cli.checkpoint is None and any(one.requires_grad for one in cli.model.parameters()):
            rank_zero_info(f"{command} without --ckpt_path: the mapper's weights are untrained")
        with interrupts_as_they_are():
            getattr(cli.trainer, command)(cli.model, datamodule=cli.datamodule, **options)
    finally:
        _finish_wandb()
    trainer: Any = cli.trainer
    for saved in (one for one in trainer.callbacks if isinstance(one, SaveConfig)):
        saved.say_finished(trainer)
    conclude(command, trainer, cli.folder, cli.checkpoint)
    left_out = next((one for one in (getattr(one, "left_out", "") for one in trainer.callbacks) if one), "")
    if left_out and command in ("test", "validate"):
        raise RunFailure(left_out)
    return 0


class MapperCLI(LightningCLI):
    """The objects a config names, ready to run: `trainer`, `model`, `datamodule` and `checkpoint`."""

    def __init__(self, command: str, arguments: Sequence[str]) -> None:
        self.command = command
        self.checkpoint: str | None = None
        self.folder: Path | None = None
        self._continues = False
        self._claim: Callable[[], Any] = lambda: None
        super().__init__(
            model_class=LightningModule,
            datamodule_class=LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            save_config_callback=None,
            seed_everything_default=0,
            auto_configure_optimizers=False,
            # The mapper describes itself in its checkpoints. With Lightning's way the optimiser's factory would hold on
            # to this object, and whoever copies the mapper, as weight averaging does, would copy the data with it.
            load_from_checkpoint_support=False,
            run=False,
            # Here, so that whatever reads a config knows the project's own by name.
            args=with_config_paths(arguments),
            parser_kwargs={
                "prog": f"{PROGRAM} {command}",
                "description": "Every key of the YAML is an option, and an option wins over the YAML.",
                "exit_on_error": False,
                "parser_mode": "omegaconf+",
            },
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the run's own keys."""
        parser.add_class_arguments(RunSettings, "run")
        # Callbacks with a key of their own, since the elements of a list have no names on the command line.
        for key in CALLBACK_KEYS:
            parser.add_lightning_class_args(Callback, key, subclass_mode=True, required=False)
        parser.add_argument(
            "--ckpt_path",
            type=str | None,
            default=None,
            help=PLAIN_KEYS["ckpt_path"],
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse; the base would warn about the words after the command."""
        self.arguments = list(args)
        with variables_read() as self._variables:
            self.config = parser.parse_args(args)

    def instantiate_classes(self) -> None:
        """Build everything the config names.

        Raises:
            UsageError: when a class refuses its arguments.
        """
        written = self.config
        try:
            # The widths that the config leaves open are the data's; the config that is saved stays as it was written.
            self.config, widths = self.with_widths(written)
            super().instantiate_classes()
        except (TypeError, ValueError, OSError, MisconfigurationException) as error:
            raise UsageError(f"the config cannot be built: {one_line(error)}") from error
        finally:
            self.config = written
        if widths is not None and isinstance(self.model, Mapper):
            widths.refuse_others(self.model)
        if self.checkpoint:
            refuse_other_weights(Path(self.checkpoint), self.model)
        if self.trainer is None:
            # Only the data are wanted, as by `embed`.
            return
        if isinstance(self.datamodule, ClipDataModule):
            share_of_batch(self.datamodule.batch_size, self.trainer.world_size)
        # Not before all of that went well, so that a mistake leaves no folder behind.
        self._claim()

    def with_widths(self, written: Any) -> tuple[Any, Widths | None]:
        parser = LightningArgumentParser(add_help=False)
        parser.add_subclass_arguments(LightningDataModule, "data")
        data = parser.instantiate_classes(Namespace(data=written.data)).data
        widths: Widths | None = getattr(data, "widths", None)
        config = written.clone()
        if widths is not None:
            widths.fill_in(config.model)
        return config, widths

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """The trainer with the run's folder, loggers and saved config.

        `--ckpt_path last` goes on in the folder of the run that wrote the checkpoint; anything else begins a new one.
        """
        settings: RunSettings = self.config_init["run"]
        self.checkpoint = self._checkpoint(settings)
        trainer_config = dict(self.config_init["trainer"])
        callbacks = [self.config_init[key] for key in CALLBACK_KEYS if self.config_init[key] is not None]
        refuse_unsupported(trainer_config, callbacks)
        if not trainer_config["fast_dev_run"]:
            folder = self.folder = self._folder(settings)
            callbacks += [SaveConfig(self._config_text, folder), *self._own_callbacks(trainer_config)]
            callbacks += [StopOnSignal(folder / CHECKPOINTS / LAST), WandbExtras(settings)]
            trainer_config["logger"] = self._loggers(settings, folder, trainer_config["logger"])
        else:
            callbacks += [StopOnSignal(None)]
        plugins = trainer_config["plugins"] or []
        plugins = plugins if isinstance(plugins, list) else [plugins]
        if not any(isinstance(plugin, CheckpointIO) for plugin in plugins):
            trainer_config["plugins"] = [*plugins, WholeCheckpoints()]
        return self._instantiate_trainer(trainer_config, callbacks)

    def _checkpoint(self, settings: RunSettings) -> str | None:
        wanted: Any = self.config_init["ckpt_path"]
        if wanted is None and self._was_queued_again:
            # No line of the job's script can know that, and the run of its first start is to go on.
            found = find_checkpoint(replace(settings, name=settings.name or f"*-{run_of_job()}"), "last")
            self._continues = found is not None
            return str(found) if found else None
        if wanted not in ("last", "best"):
            if wanted and not Path(wanted).is_file():
                raise UsageError(f"--ckpt_path {wanted}: there is no such file")
            return str(wanted) if wanted else None
        self._continues = self.command == "fit" and wanted == "last"
        # In a fit the name is that of the run to go on with; elsewhere it is the new folder's.
        found = find_checkpoint(settings if self.command == "fit" else replace(settings, name=None), wanted)
        if found is None and not (self._continues and settings.name):
            raise UsageError(f"--ckpt_path {wanted}: no run under {settings.folder} has written one")
        return str(found) if found else None

    @property
    def _was_queued_again(self) -> bool:
        return self.command == "fit" and run_of_job() is not None and os.environ.get("SLURM_RESTART_COUNT", "0") != "0"

    def _folder(self, settings: RunSettings) -> Path:
        if self._continues:
            return run_of(Path(self.checkpoint)) if self.checkpoint else settings.folder / str(settings.name)
        suffix = "" if self.command == "fit" else f"-{self.command}"
        folder = settings.folder / (settings.name or new_run_name() + suffix)
        # Only one process makes the folder; the others learn its name from it when they have met.
        if rank_zero_only.rank == 0:  # type: ignore[attr-defined]
            refuse_taken_folder(folder, self._config_text if self.command in ("test", "validate") else None)
            self._claim = partial(claim_folder, folder)
        return folder

    def _loggers(self, settings: RunSettings, folder: Path, configured: Any) -> list[Any]:
        if configured is False:
            return loggers_for(RunSettings(wandb="disabled"), folder)[:1]
        further = [] if configured in (None, True) else configured if isinstance(configured, list) else [configured]
        return [*loggers_for(settings, folder), *further]

    def _own_callbacks(self, trainer: Mapping[str, Any]) -> list[Callback]:
        """What runs beside the config's callbacks: a bar, which clips were used and, in `predict`, the predictions."""
        from v2a_lightning.callbacks import EmbeddingWriter, RunProgressBar, UsedClips

        configured = trainer["callbacks"] or []
        kinds = tuple(map(type, configured if isinstance(configured, list) else [configured]))
        own: list[Callback] = [UsedClips()]
        if trainer["enable_progress_bar"] is not False and not any(issubclass(one, ProgressBar) for one in kinds):
            own.append(RunProgressBar())
        if self.command == "predict" and not any(issubclass(one, EmbeddingWriter) for one in kinds):
            own.append(EmbeddingWriter())
        return own

    @cached_property
    def _config_text(self) -> str:
        config = self.config.clone()
        if self.command != "fit":
            # "last" means another file tomorrow.
            config["ckpt_path"] = self.checkpoint
        text = str(self.parser.dump(config, skip_none=False, skip_link_targets=False))
        return without_environment(text, self.parser, self.arguments) if self._variables else text


def refuse_other_weights(path: Path, model: LightningModule) -> None:
    """Find out before a run whether a checkpoint's weights are the model's, and finite.

    Raises:
        UsageError: when the file is no checkpoint or a damaged one, or the model refuses it.
        RunFailure: naming the first tensor that is not finite.
    """
    if zipfile.is_zipfile(path) and (reason := damage(path)):
        raise UsageError(f"{path} is damaged: {reason}")
    try:
        checkpoint = torch.load(path, map_location="cpu", mmap=zipfile.is_zipfile(path), weights_only=True)
    except NO_CHECKPOINT as error:
        raise UsageError(f"{path} is not a readable checkpoint: {one_line(error)}") from error
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise UsageError(f"{path} is not a checkpoint of a run")
    try:
        model.on_load_checkpoint(checkpoint)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    # With an average of the weights, they are in the one and what is trained on is in the other.
    for part in ("state_dict", "current_model_state"):
        try:
            refuse_not_finite(checkpoint.get(part, {}), path)
        except RunFailure as error:
            raise RunFailure(f"{error}; give --ckpt_path another checkpoint, such as an earlier one") from error


def _finish_wandb() -> None:
    """End the run, so that a second one in the same process is not written into it."""
    wandb = sys.modules.get("wandb")
    if wandb is not None and getattr(wandb, "run", None) is not None:
        wandb.finish(exit_code=int(sys.exc_info()[0] is not None))
