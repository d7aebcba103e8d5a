"""The configs that come with the project, by their names: `--config quickstart` from any folder."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from v2a_lightning.errors import UsageError

# A link to the folder experiments/ of a checkout, and that folder's YAML files in an installation.
CONFIGS = Path(__file__).resolve().parent / "configs"
FLAG = "--config"


def config_path(name: str) -> str:
    """A config that is there, a YAML itself, or the project's own by its name (`quickstart`); or UsageError."""
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
    return [value for flag, value in options_of(arguments) if flag == FLAG]


def options_of(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The options of a command line with their values."""
    for argument, following in zip_longest(arguments, arguments[1:], fillvalue=""):
        flag, equals, value = argument.partition("=")
        if flag.startswith("--") and (equals or not following.startswith("--")):
            yield flag, value if equals else following
