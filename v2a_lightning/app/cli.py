"""The command line: which commands there are, how their arguments are read, and how a failure is told.

A command is a plain function. Its parameters are its options, its docstring is its help, and what stands before a `/`
in its signature is given without a name. `fit`, `validate`, `test` and `predict` are Lightning's, configured by YAML.
Nothing heavy is imported before it is known which command runs.
"""

import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from v2a_lightning.app.messages import PROGRAM, one_line
from v2a_lightning.errors import RunFailure, UsageError, V2AError
from v2a_lightning.files import refusal
from v2a_lightning.signals import INTERRUPTED, Terminated, terminated_by_sigterm

# Every plain command takes its options from a file too, but for those whose own option of this name means a run's YAML.
CONFIG_OPTION = "config"

LIGHTNING_COMMANDS = {
    "fit": "train a mapper; every epoch makes sound from it and scores that sound",
    "validate": "run the validation of a config and a checkpoint",
    "test": "score a checkpoint on the test clips",
    "predict": "map clips to CLAP embeddings and write them down",
}

COMMANDS = {
    "generate": ("v2a_lightning.app.commands.generate:generate", "turn pictures and clips into sound"),
    "evaluate": ("v2a_lightning.app.commands.evaluate:evaluate", "score a folder of sounds"),
    "compare": ("v2a_lightning.app.commands.compare:compare", "put the scores of several systems into one table"),
    "report": ("v2a_lightning.app.commands.report:report", "write a run's report.html again"),
    "experiment": ("v2a_lightning.app.commands.experiment:experiment", "run a study and print its table"),
    "listen": ("v2a_lightning.app.commands.listen:listen", "build and analyse a listening test"),
    "embed": ("v2a_lightning.app.commands.embed:embed", "write the CLIP and CLAP embeddings of clips to a store"),
    "manifest": ("v2a_lightning.app.commands.manifest:manifest", "probe every clip of a csv and list what is usable"),
    "download": ("v2a_lightning.app.commands.download:download", "fetch clips, cut to their ten seconds"),
    "doctor": ("v2a_lightning.app.commands.doctor:doctor", "check weights, device, disk and data before a long run"),
    "miniature": ("v2a_lightning.app.commands.miniature:miniature", "render the small world, train its small models"),
}


def main(arguments: Sequence[str]) -> int:
    """Run one command.

    Returns:
        0 when it went well, 2 when the command or its configuration is wrong, 1 when it failed while running, 130 when
        it was interrupted (Ctrl-C), 143 when it was terminated (SIGTERM).
    """
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        with terminated_by_sigterm():
            return _dispatch(arguments)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except Terminated as end:
        print(type(end).__name__.lower(), file=sys.stderr)
        return end.exit_code
    except SystemExit as end:
        # Help ends with 0. Whoever leaves without saying how it went did not reach the end.
        return end.code if isinstance(end.code, int) else 1
    except Exception as raised:
        error = _declared(raised)
        if debug:
            traceback.print_exc()
        print(f"error: {_which_process()}{one_line(error)}", file=sys.stderr)
        if not debug and not isinstance(error, V2AError):
            print("Run it again with --debug to see where it happened.", file=sys.stderr)
        return error.exit_code if isinstance(error, V2AError) else 1


def _dispatch(arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(overview())
        return 0 if arguments else UsageError.exit_code
    if arguments[0] == "--version":
        print(importlib.import_module("v2a_lightning").__version__)
        return 0
    name, rest = arguments[0], list(arguments[1:])
    if name in LIGHTNING_COMMANDS:
        # Imported here, since it brings torch and Lightning.
        from v2a_lightning.app.lightning_cli import run

        return run(name, rest)
    if name in COMMANDS:
        return run_command(_load(COMMANDS[name][0]), rest, f"{PROGRAM} {name}")
    known = ", ".join([*LIGHTNING_COMMANDS, *COMMANDS])
    raise UsageError(f"there is no command '{name}'; the commands are {known}")


def _declared(error: Exception) -> Exception:
    """What a disk or its rights refuse is no fault of the program, wherever it happens: one line with the file."""
    reason = refusal(error)
    if reason is None or isinstance(error, V2AError):
        return error
    return RunFailure(f"{getattr(error, 'filename', None) or 'a file'} cannot be used: {reason}")


def _which_process() -> str:
    """Among the processes of one run each tells its own error; all but the first say which they are."""
    ranks = (os.environ.get(name) for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK"))
    rank = next((rank for rank in ranks if rank), "0")
    return "" if rank == "0" else f"process {rank}: "


def overview() -> str:
    """The text of `--help`: every command with its one line."""
    lines = [
        f"usage: {PROGRAM} COMMAND [OPTIONS]",
        "",
        "From what is seen to what is heard.",
        "",
        "Commands by config:",
    ]
    lines += [f"  {name:<12}{summary}" for name, summary in LIGHTNING_COMMANDS.items()]
    lines += ["", "Plain commands:"]
    lines += [f"  {name:<12}{summary}" for name, (_, summary) in COMMANDS.items()]
    lines += ["", f"`{PROGRAM} COMMAND --help` explains one; --debug shows the traceback of a failure."]
    return "\n".join(lines)


def run_command(command: Callable[..., Any] | Mapping[str, Any], arguments: Sequence[str], program: str) -> int:
    """Call a command's function with what the command line says, or pick the function from a table of subcommands.

    Raises:
        UsageError: when the arguments do not fit the function's signature.
    """
    if isinstance(command, Mapping):
        return _run_subcommand(command, arguments, program)
    result = _call(command, arguments, program)
    return result if isinstance(result, int) else 0


def _run_subcommand(table: Mapping[str, Any], arguments: Sequence[str], program: str) -> int:
    if arguments and arguments[0] in table:
        return run_command(table[arguments[0]], arguments[1:], f"{program} {arguments[0]}")
    if arguments and arguments[0] not in ("-h", "--help"):
        raise UsageError(f"{program} has no '{arguments[0]}'; it has {', '.join(table)}")
    print(f"usage: {program} SUBCOMMAND [OPTIONS]\n")
    width = max(map(len, table)) + 2
    for name, command in table.items():
        summary = "" if isinstance(command, Mapping) else (inspect.getdoc(command) or "").partition("\n")[0]
        print(f"  {name:<{width}}{summary}")
    return 0 if arguments else UsageError.exit_code


def _call(function: Callable[..., Any], arguments: Sequence[str], program: str) -> Any:
    from jsonargparse import ArgumentError, ArgumentParser

    parser = ArgumentParser(prog=program, exit_on_error=False, description=_description(function))
    takes_options_from_a_file = CONFIG_OPTION not in inspect.signature(function).parameters
    if takes_options_from_a_file:
        help_text = "YAML with options of this command; those on the command line behind it win over it"
        parser.add_argument(f"--{CONFIG_OPTION}", action="config", help=help_text)
        _check_option_files(function, arguments)
    unnamed = _add_unnamed(parser, function)
    parser.add_function_arguments(function, as_group=False, skip=set(unnamed), sub_configs=True)
    try:
        values = parser.instantiate(parser.parse_args(_lists_spelled_out(function, arguments))).as_dict()
    except ArgumentError as error:
        raise UsageError(f"{one_line(error)}; `{program} --help` lists the options") from error
    if takes_options_from_a_file:
        del values[CONFIG_OPTION]
    return function(*[values.pop(name) for name in unnamed], **values)


def _check_option_files(function: Callable[..., Any], arguments: Sequence[str]) -> None:
    """Every `--config` names YAML with options of the command.

    Raises:
        UsageError: naming the file and what is wrong with it.
    """
    import yaml

    parameters = inspect.signature(function).parameters.values()
    options = [one.name for one in parameters if one.kind is not one.POSITIONAL_ONLY]
    flag = f"--{CONFIG_OPTION}"
    following = [path for option, path in pairwise(arguments) if option == flag]
    for name in following + [one.partition("=")[2] for one in arguments if one.startswith(f"{flag}=")]:
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


def _add_unnamed(parser: Any, function: Callable[..., Any]) -> list[str]:
    """Add the parameters that stand before a `/`: a list takes one argument or more."""
    hints = get_type_hints(function)
    names = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is not parameter.POSITIONAL_ONLY:
            continue
        several = getattr(hints[name], "__origin__", None) is list
        kind = hints[name].__args__[0] if several else hints[name]
        parser.add_argument(
            name, type=kind, help=_parameter_help(function, name), **({"nargs": "+"} if several else {})
        )
        names.append(name)
    return names


def _description(function: Callable[..., Any]) -> str:
    """The docstring up to its sections."""
    text = inspect.getdoc(function) or ""
    return text.split("\n\nArgs:")[0].split("\n\nReturns:")[0].split("\n\nRaises:")[0]


def _parameter_help(function: Callable[..., Any], name: str) -> str:
    from docstring_parser import parse

    described = {
        parameter.arg_name: parameter.description for parameter in parse(inspect.getdoc(function) or "").params
    }
    return described.get(name) or ""


def _load(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


# Lightning calls jsonargparse by names it is about to retire; that is nothing the person at the terminal can act on.
os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")
