"""A run's config as it is written down: whole and resolved, but values from the environment by their names."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import WandbLogger
from omegaconf import OmegaConf
from omegaconf.resolvers import oc

from v2a_lightning.files import atomic_write
from v2a_lightning.runs import CONFIG_FILE, CONFIG_KEY, UNFINISHED_FILE

FROM_ENVIRONMENT = "${oc.env:"


@contextmanager
def variables_read() -> Iterator[list[str]]:
    """The names of the environment's variables that configs take values from meanwhile."""
    names: list[str] = []

    def read(name: str, *default: Any) -> str | None:
        names.append(name)
        return oc.env(name, *default)

    with _resolved_by(read):
        yield names


@contextmanager
def _resolved_by(read: Callable[..., Any]) -> Iterator[None]:
    """Have `${oc.env:...}` resolved by another function meanwhile."""
    OmegaConf.register_resolver("oc.env", read, replace=True)
    try:
        yield
    finally:
        OmegaConf.register_resolver("oc.env", oc.env, replace=True)


class SaveConfig(Callback):
    """Puts the whole resolved config into the run's folder, into every checkpoint and into Weights & Biases."""

    def __init__(self, config: str, folder: Path) -> None:
        self.config = config
        self.folder = folder

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write config.yaml before anything else is written."""
        if not trainer.is_global_zero:
            return
        if stage in ("test", "validate"):
            with atomic_write(self.folder / UNFINISHED_FILE) as temporary:
                temporary.touch()
        with atomic_write(self.folder / CONFIG_FILE) as temporary:
            temporary.write_text(self.config)
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.experiment.config.update(yaml.safe_load(self.config), allow_val_change=True)

    def say_finished(self, trainer: Trainer) -> None:
        """To be called when nothing more will be written."""
        if trainer.is_global_zero:
            (self.folder / UNFINISHED_FILE).unlink(missing_ok=True)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Keep the config with the weights."""
        checkpoint[CONFIG_KEY] = self.config


def without_environment(text: str, parser: Any, arguments: Sequence[str]) -> str:
    """A resolved config's YAML with `${oc.env:NAME}` again wherever a value came from the environment.

    Args:
        text: the YAML, with every value in it.
        parser: jsonargparse's, which reads `arguments`.
        arguments: the command line that gave the config.
    """
    # Private, but the only way to a config before its interpolations are resolved.
    from jsonargparse._common import parser_context

    with parser_context(lenient_check=True):
        written = parser.dump(parser.parse_args(list(arguments)), skip_validation=True, skip_none=False)
    if FROM_ENVIRONMENT not in written:
        return text
    with _resolved_by(_as_written):
        named = OmegaConf.to_container(OmegaConf.create(yaml.safe_load(written)), resolve=True)
    return str(yaml.safe_dump(_put_back(yaml.safe_load(text), named), sort_keys=False, allow_unicode=True))


def _as_written(name: str, *default: Any) -> str:
    words = [name, *("null" if one is None else str(one) for one in default)]
    return f"{FROM_ENVIRONMENT}{', '.join(words)}}}"


def _put_back(value: Any, named: Any) -> Any:
    """The value, but for what holds a variable's name in the other."""
    if isinstance(value, dict) and isinstance(named, dict):
        return {key: _put_back(one, named.get(key)) for key, one in value.items()}
    if isinstance(value, list) and isinstance(named, list) and len(value) == len(named):
        return [_put_back(*pair) for pair in zip(value, named, strict=True)]
    return named if FROM_ENVIRONMENT in str(named) else value
