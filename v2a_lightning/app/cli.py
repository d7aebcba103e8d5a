"""The command line: which commands there are, and how a failure is told.

A command is a plain function; its signature is its options. `fit`, `validate`, `test` and `predict` are Lightning's,
configured by YAML. Nothing heavy is imported before it is known which command runs.
"""

import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from v2a_lightning.app.examples import EXAMPLES, NEXT
from v2a_lightning.app.messages import PROGRAM, one_line
from v2a_lightning.errors import RunFailure, UsageError, V2AError
from v2a_lightning.files import refusal
from v2a_lightning.signals import INTERRUPTED, Terminated, terminated_by_sigterm

LIGHTNING_COMMANDS = {
    "fit": "train a mapper; every epoch makes sound from it and scores that sound",
    "validate": "run the validation of a config and a checkpoint",
    "test": "score a checkpoint on the test clips",
    "predict": "map clips to CLAP embeddings and write them down",
}

COMMANDS = {
    "demo": ("v2a_lightning.app.commands.demo:demo", "open a page that makes sound for pictures and videos"),
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
    "init": ("v2a_lightning.app.commands.init:init", "begin with a config, a sweep and a Makefile of one's own"),
    "completion": ("v2a_lightning.app.commands.completion:completion", "print what bash or zsh complete commands by"),
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
        return _run_lightning(name, rest)
    if name in COMMANDS:
        return run_command(load(COMMANDS[name][0]), rest, f"{PROGRAM} {name}")
    known = [*LIGHTNING_COMMANDS, *COMMANDS]
    near = "".join(f"; did you mean {one}?" for one in get_close_matches(name, known, 1))
    raise UsageError(f"there is no command '{name}'; the commands are {', '.join(known)}{near}")


def _run_lightning(name: str, arguments: Sequence[str]) -> int:
    from v2a_lightning.app.config_help import help_page
    from v2a_lightning.app.config_keys import refuse_unknown_keys

    page = help_page(name, LIGHTNING_COMMANDS[name], arguments)
    if page is not None:
        print(page)
        return 0
    refuse_unknown_keys(name, arguments)
    # Not before there is something to run: it brings torch and Lightning.
    from v2a_lightning.app.lightning_cli import run

    return run(name, arguments)


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
    from v2a_lightning.app.arguments import call

    name = program.removeprefix(f"{PROGRAM} ")
    result = call(command, arguments, program, f"{PROGRAM} {EXAMPLES[name]}" if name in EXAMPLES else "")
    if not result and name in NEXT:
        print(f"next: {PROGRAM} {NEXT[name]}")
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


def load(target: str) -> Any:
    """A command by its place in the table."""
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


# Lightning calls jsonargparse by names it is about to retire; that is nothing the person at the terminal can act on.
os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")
