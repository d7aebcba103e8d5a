"""The data module of an experiment's config, for the commands that need nothing else of it."""

from collections.abc import Sequence
from typing import Any

from jsonargparse import ArgumentError
from omegaconf.errors import OmegaConfBaseException

from v2a_lightning.app.lightning_cli import MapperCLI
from v2a_lightning.app.messages import one_line
from v2a_lightning.data_modules import EncodedDataModule
from v2a_lightning.errors import UsageError


class _WithoutTrainer(MapperCLI):
    """The config's trainer is one for training, with callbacks and loggers that would leave traces."""

    def instantiate_trainer(self, **_: Any) -> Any:
        return None

    def with_widths(self, written: Any) -> tuple[Any, None]:
        # What the model lacks of widths is asked of the data when it is trained.
        return written, None


def read_data(configs: Sequence[str], settings: Sequence[str] = ()) -> EncodedDataModule:
    """The data module that a `fit` of these configs would have.

    Args:
        configs: YAML files, merged.
        settings: `key=value` over them.

    Raises:
        UsageError: when the config is wrong, or names data that is not made from media files.
    """
    if wrong := [one for one in settings if "=" not in one]:
        raise UsageError(f"--set wants key=value, not {wrong[0]!r}")
    arguments = [f"--config={config}" for config in configs] + [f"--{one}" for one in settings]
    try:
        data = _WithoutTrainer("validate", arguments).datamodule
    except (ArgumentError, OmegaConfBaseException) as error:
        raise UsageError(one_line(error)) from error
    if not isinstance(data, EncodedDataModule):
        raise UsageError(f"{type(data).__name__} has no media files")
    return data
