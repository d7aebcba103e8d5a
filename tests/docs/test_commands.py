"""What the pages say to type is understood: every command, of the program and of others, and every block of YAML."""

import functools
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.blocks import BLOCK, PAGES, ROOT, blocks_of, program_arguments
from v2a_lightning.app.cli import COMMANDS, LIGHTNING_COMMANDS, load, main, run_command
from v2a_lightning.app.lightning_cli import MapperCLI
from v2a_lightning.project_configs import with_config_paths

BLOCKS = [block for page in PAGES for block in blocks_of(page)]
COMMANDS_TYPED = [
    pytest.param(words, id=f"{block.page.name}: {' '.join(words)[:60]}")
    for block in BLOCKS
    if block.language == "sh"
    for words in block.commands
]
OTHER_PROGRAMS = {"cd", "ffmpeg", "wandb", "torchrun", "srun", "source", "python", "python3"}


class Parsed(MapperCLI):
    """Reads the command line and builds nothing."""

    def instantiate_classes(self) -> None:
        """Nothing."""


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where pages say to type: with the parts that EXTENDING.md has one write."""
    parts = (block.text for block in blocks_of(ROOT / "docs" / "EXTENDING.md") if block.language == "python")
    (tmp_path / "my_parts.py").write_text("\n".join(parts))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("words", COMMANDS_TYPED)
def test_a_command_is_understood(words: list[str], tmp_path: Path) -> None:
    # What a run writes beside an epoch's sounds.
    (tmp_path / "evaluate.yaml").write_text("generated: sounds\n")
    words = [str(tmp_path / "evaluate.yaml") if word.endswith("EPOCH/evaluate.yaml") else word for word in words]
    arguments = program_arguments(words)
    if arguments is None:
        refuse_others(words)
        return
    name, *options = arguments
    if name.startswith("-"):
        assert main(arguments) == 0
    elif name in LIGHTNING_COMMANDS:
        assert Parsed(name, with_config_paths(options)).config is not None
    else:
        understood(name, options)


def understood(name: str, options: list[str]) -> None:
    """A plain command takes these options."""
    real = load(COMMANDS[name][0])
    if isinstance(real, dict):
        real, options = real[options[0]], options[1:]
    calls: list[dict[str, Any]] = []

    @functools.wraps(real)
    def noted(*given: Any, **options: Any) -> int:
        calls.append({"given": given, **options})
        return 0

    assert run_command(noted, options, name) == 0
    assert len(calls) == 1


def refuse_others(words: list[str]) -> None:
    """A target of the Makefile, an extra of the package, or a program that is known."""
    if words[0] == "make":
        named = (word for word in words[1:] if "=" not in word)
        assert {*named} <= {*re.findall(r"[a-z0-9-]+", targets_of(ROOT / "Makefile"))}
    elif words[0] == "pip":
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        extras = {one for word in words for some in re.findall(r"\[([\w,-]+)\]", word) for one in some.split(",")}
        assert extras <= set(project["optional-dependencies"])
    else:
        assert words[0] in OTHER_PROGRAMS, f"the page starts {words[0]}"


def targets_of(makefile: Path) -> str:
    """The lines that name targets, the list of studies among them."""
    text = makefile.read_text().replace("\\\n", " ")
    return " ".join(re.findall(r"^(?:STUDIES =.*|[a-z0-9-]+(?=:))", text, re.MULTILINE))


@pytest.mark.parametrize(
    "text", [pytest.param(block.text, id=block.page.name) for block in BLOCKS if block.language == "yaml"]
)
def test_yaml_can_be_read(text: str) -> None:
    assert isinstance(yaml.safe_load(text), dict)


def test_every_block_says_what_it_is() -> None:
    unnamed = [f"{block.page.name}: {block.text[:40]!r}" for block in BLOCKS if not block.language]
    assert not unnamed


def test_no_command_stands_outside_a_block() -> None:
    # An indented one would be run by no test.
    loose = [
        f"{page.name}: {line.strip()}"
        for page in PAGES
        for line in BLOCK.sub("", page.read_text()).splitlines()
        if re.match(r"    (make |v2a |python |pip |wandb )", line)
    ]
    assert not loose


def test_pages_that_are_linked_are_there() -> None:
    missing = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:\s]+?)(?:#[^)]*)?\)", page.read_text()):
            if not (page.parent / target).exists():
                missing.append(f"{page.name}: {target}")
    assert not missing


def test_the_figures_of_the_site_are_there() -> None:
    assert (ROOT / "docs" / "figures" / "report.png").is_file()
    assert Path(ROOT / "mkdocs.yml").is_file()
