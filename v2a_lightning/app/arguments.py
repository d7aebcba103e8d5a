"""From a plain function to its options: parameters are options, the docstring is the help.

What stands before a `/` in a signature is given without a name.
"""

import inspect
import re
from argparse import RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from v2a_lightning.app.config_keys import NEW_NAMES
from v2a_lightning.app.messages import one_line
from v2a_lightning.errors import UsageError
from v2a_lightning.project_configs import options_of

# Every plain command takes its options from a file too, but for those whose own option of this name means a run's YAML.
CONFIG_OPTION = "config"
FILE_HELP = "YAML with options of this command; those on the command line behind it win over it"


def call(function: Callable[..., Any], arguments: Sequence[str], program: str, example: str = "") -> Any:
    """Call a function with what a command line says.

    Args:
        function: the command.
        arguments: of the command line, behind the command's name.
        program: how the command was called.
        example: a command line that works, for the help.

    Raises:
        UsageError: when the arguments do not fit the function's signature.
    """
    from docstring_parser import parse
    from jsonargparse import ArgumentError, ArgumentParser, DefaultHelpFormatter

    class AsWritten(RawDescriptionHelpFormatter, DefaultHelpFormatter):
        """Leaves the lines of description and example as they are."""

    document = parse(inspect.getdoc(function) or "")
    about: dict[str, Any] = {"description": document.description}
    about |= {"epilog": f"example:\n  {example}\n"} if example else {}
    parser = ArgumentParser(prog=program, exit_on_error=False, formatter_class=AsWritten, **about)
    takes_a_file = CONFIG_OPTION not in option_names(function)
    if takes_a_file:
        parser.add_argument(f"--{CONFIG_OPTION}", action="config", help=FILE_HELP)
        _check_option_files(function, arguments)
    unnamed = unnamed_parameters(function)
    helps = {one.arg_name: one.description for one in document.params}
    for name, kind in ((name, get_type_hints(function)[name]) for name in unnamed):
        several: dict[str, Any] = {"type": get_args(kind)[0], "nargs": "+"} if get_origin(kind) is list else {}
        parser.add_argument(name, **({"type": kind, "help": helps.get(name, "")} | several))
    parser.add_function_arguments(function, as_group=False, skip=set(unnamed), sub_configs=True)
    try:
        values = parser.instantiate(parser.parse_args(_lists_spelled_out(function, arguments))).as_dict()
    except ArgumentError as error:
        raise UsageError(f"{_explained(error, function)}; `{program} --help` lists the options") from error
    if takes_a_file:
        del values[CONFIG_OPTION]
    return function(*[values.pop(name) for name in unnamed], **values)


def unnamed_parameters(function: Callable[..., Any]) -> list[str]:
    """What is given without a name."""
    parameters = inspect.signature(function).parameters.values()
    return [one.name for one in parameters if one.kind is one.POSITIONAL_ONLY]


def option_names(function: Callable[..., Any]) -> list[str]:
    """What is given as an option."""
    unnamed = unnamed_parameters(function)
    return [name for name in inspect.signature(function).parameters if name not in unnamed]


def _explained(error: Exception, function: Callable[..., Any]) -> str:
    message = one_line(error)
    unknown = re.search(r"unrecognized arguments: --(\w+)", message)
    if unknown and unknown[1] in NEW_NAMES:
        return f"{message}; {unknown[1]} is called {NEW_NAMES[unknown[1]]} now"
    near = get_close_matches(unknown[1], option_names(function), 1) if unknown else []
    return f"{message}; did you mean --{near[0]}?" if near else message


def _check_option_files(function: Callable[..., Any], arguments: Sequence[str]) -> None:
    """Every `--config` names YAML with options of the command.

    Raises:
        UsageError: naming the file and what is wrong with it.
    """
    import yaml

    options, flag = option_names(function), f"--{CONFIG_OPTION}"
    for name in (value for option, value in options_of(arguments) if option == flag):
        if not Path(name).is_file():
            raise UsageError(f"{flag} {name}: there is no such file")
        try:
            content = yaml.safe_load(Path(name).read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise UsageError(f"{flag} {name}: not YAML ({' '.join(str(error).split())})") from error
        if not isinstance(content, dict):
            raise UsageError(f"{flag} {name}: holds no options; it has lines such as `{options[0]}: value`")
        if unknown := [str(key) for key in content if key not in options]:
            raise UsageError(f"{flag} {name}: there is no option {unknown[0]!r}; there are {', '.join(options)}")


def _lists_spelled_out(function: Callable[..., Any], arguments: Sequence[str]) -> list[str]:
    """`--system A B` and `--system A --system B` as jsonargparse spells a list's items: `--system+=A --system+=B`.

    Before the first item the list is emptied, so that it takes the place of one from a file of options.
    """
    hints = get_type_hints(function)
    lists = {
        f"--{name}" for name, hint in hints.items() if list in (get_origin(hint), *map(get_origin, get_args(hint)))
    }
    spelled: list[str] = []
    current = ""
    for argument, following in zip(arguments, [*arguments, "--"][1:], strict=True):
        flag, equals, value = argument.partition("=")
        if argument.startswith("--"):
            current = flag if flag in lists else ""
        if not current or (argument.startswith("--") and value.startswith("[")):
            spelled.append(argument)
        elif not argument.startswith("--") and argument.startswith("["):
            spelled.append(f"{current}={argument}")
        elif not argument.startswith("--") or equals:
            item = value if argument.startswith("--") else argument
            emptied = [] if any(one.startswith(f"{current}+=") for one in spelled) else [f"{current}=[]"]
            spelled += [*emptied, f"{current}+={item}"]
        elif following.startswith("--"):
            spelled.append(current)
    return spelled
