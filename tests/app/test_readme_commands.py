"""What the README says to type is understood by the commands it is typed to."""

import functools
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from v2a_lightning.app.cli import COMMANDS, load, run_command

README = Path(__file__).parents[2] / "README.md"


def typed() -> list[tuple[str, list[str]]]:
    """Every plain command in the README's shell blocks, with its arguments; `torchrun` and `srun` before it or not."""
    blocks = re.findall(r"```sh\n(.*?)```", README.read_text(), re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    words = [shlex.split(line.partition("#")[0]) for line in lines if "-m v2a_lightning " in line]
    commands = [line[line.index("v2a_lightning") + 1 :] for line in words]
    return [(name, arguments) for name, *arguments in commands if name in COMMANDS]


def test_the_readme_has_the_way_to_the_real_data() -> None:
    assert {name for name, _ in typed()} >= {"manifest", "doctor", "embed"}


@pytest.mark.parametrize(("name", "arguments"), typed())
def test_it_is_understood(name: str, arguments: list[str]) -> None:
    real = load(COMMANDS[name][0])
    calls: list[dict[str, Any]] = []

    @functools.wraps(real)
    def noted(**options: Any) -> int:
        calls.append(options)
        return 0

    assert run_command(noted, arguments, name) == 0
    assert len(calls) == 1
