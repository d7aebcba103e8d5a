"""The example at the end of a command's help is understood by that command."""

import functools
import shlex
from collections.abc import Mapping
from typing import Any

import pytest

from v2a_lightning.app.cli import COMMANDS, load, main, run_command
from v2a_lightning.app.examples import EXAMPLES


def functions() -> dict[str, Any]:
    """Every plain command and subcommand by its words."""
    found: dict[str, Any] = {}
    for name, (target, _) in COMMANDS.items():
        command = load(target)
        parts = {f"{name} {part}": one for part, one in command.items()} if isinstance(command, Mapping) else None
        found |= parts or {name: command}
    return found


def test_every_command_has_one() -> None:
    assert sorted(EXAMPLES) == sorted(functions())


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_is_understood(name: str) -> None:
    calls: list[Any] = []

    @functools.wraps(functions()[name])
    def noted(*unnamed: Any, **options: Any) -> int:
        calls.append((unnamed, options))
        return 0

    words = shlex.split(EXAMPLES[name])[len(name.split()) :]
    assert run_command(noted, words, name) == 0
    assert len(calls) == 1


def test_help_ends_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--help"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"  python -m v2a_lightning {EXAMPLES['compare']}"
