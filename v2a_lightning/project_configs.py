"""The configs that come with the project, by their names: `--config quickstart` from any folder."""

from collections.abc import Sequence
from pathlib import Path

from v2a_lightning.errors import UsageError

# A link to the folder experiments/ of a checkout, and that folder's YAML files in an installation.
CONFIGS = Path(__file__).resolve().parent / "configs"
FLAG = "--config"


def config_path(name: str) -> str:
    """A config that is there, or the project's own of this name, such as `quickstart`; UsageError when there is
    neither.

    A parser also takes the YAML itself, which has a colon behind its first key.
    """
    if ": " in name or (Path(name).exists() and not Path(name).is_dir()):
        return name
    if not Path(name).suffix and (own := CONFIGS / f"{name}.yaml").is_file():
        return str(own)
    known = ", ".join(sorted(path.stem for path in CONFIGS.glob("*.yaml")))
    raise UsageError(f"{FLAG} {name}: there is no such file; the project's own configs are {known}")


def with_config_paths(arguments: Sequence[str]) -> list[str]:
    """The command line with the file of every `--config`; UsageError when one is missing."""
    found: list[str] = []
    for before, argument in zip(["", *arguments], arguments, strict=False):
        if before == FLAG:
            argument = config_path(argument)
        elif argument.startswith(f"{FLAG}="):
            argument = f"{FLAG}={config_path(argument.partition('=')[2])}"
        found.append(argument)
    return found


def config_files(arguments: Sequence[str]) -> list[str]:
    """The files that a command line names with `--config`."""
    pairs = zip(["", *arguments], arguments, strict=False)
    return [one.removeprefix(f"{FLAG}=") for before, one in pairs if before == FLAG or one.startswith(f"{FLAG}=")]
