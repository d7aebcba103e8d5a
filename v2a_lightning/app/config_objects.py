"""What a config names, without a run of it."""

from collections.abc import Sequence
from typing import Any

from jsonargparse import ArgumentError
from omegaconf.errors import OmegaConfBaseException

from v2a_lightning.app.config_keys import where_keys_are
from v2a_lightning.app.lightning_cli import MapperCLI
from v2a_lightning.app.messages import one_line
from v2a_lightning.data_modules import EncodedDataModule
from v2a_lightning.errors import UsageError

REFUSALS = (ArgumentError, OmegaConfBaseException, TypeError, ValueError, OSError)


class ConfigReader(MapperCLI):
    """A config's values, of which single objects are made: no trainer, no folder of a run, no weights.

    Args:
        arguments: of `fit`, as `config_keys.config_arguments` gives them.

    Raises:
        UsageError: when the config is wrong.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        try:
            super().__init__("fit", arguments)
        except REFUSALS as error:
            raise self._explained(error, arguments) from error

    def instantiate_classes(self) -> None:
        """Nothing yet."""

    def make(self, *keys: str) -> Any:
        """The objects at these keys of the config's top.

        Raises:
            UsageError: when a class refuses its arguments.
        """
        wanted = self.config.clone()
        for key in wanted.keys() - set(keys):
            del wanted[key]
        try:
            return self.parser.instantiate_classes(wanted)
        except REFUSALS as error:
            raise self._explained(error, self.arguments) from error

    @staticmethod
    def _explained(error: Exception, arguments: Sequence[str]) -> UsageError:
        message = one_line(error)
        return UsageError(f"{message}; {where_keys_are('fit', arguments, message)}")


def read_data(arguments: Sequence[str]) -> EncodedDataModule:
    """The data module that a `fit` with these arguments would have.

    Raises:
        UsageError: when the config is wrong, or names data that is not made from media files.
    """
    data = ConfigReader(arguments).make("data").data
    if not isinstance(data, EncodedDataModule):
        raise UsageError(f"{type(data).__name__} has no media files")
    return data
