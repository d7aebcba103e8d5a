"""What is imported is what is asked for, as ranges; the set that was tested fits them."""

import ast
import re
import sys
import tomllib
from collections.abc import Mapping
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OWN = {"v2a_lightning", "data_modules", "callbacks", "experiments", "tests"}
# Scores through packages that a person brings along: see v2a_lightning/metrics/extras.
EXTRAS = {"av_bench", "hear21passt", "imagebind", "torchaudio"}
# In the environment of the benchmark's peers.
EXTRAS |= {"dalle2_pytorch"}
# A module inside laion_clap's distribution, found on its own path.
INSIDE = {"clap_module": "laion_clap"}


def canonical(name: str) -> str:
    """A distribution's name as pip compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def asked_for(*extras: str) -> set[str]:
    """Names of the distributions that an installation asks for, those of extras that its extras name included."""
    wanted = [Requirement(line) for one in extras for line in PROJECT["optional-dependencies"][one]]
    inner = {extra for one in wanted if one.name == PROJECT["name"] for extra in one.extras}
    names = {canonical(one.name) for one in wanted if one.name != PROJECT["name"]}
    names |= {canonical(Requirement(line).name) for line in PROJECT["dependencies"]}
    return names | asked_for(*inner) if inner else names


def imported(folder: str) -> set[str]:
    """Top-level names of what the modules of a folder import, wherever in them, but for one another."""
    found: set[str] = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    # A benchmark is started by its path, and its files import one another by their names.
    benchmarks = {path.stem for path in (ROOT / "experiments" / "benchmarks").rglob("*.py")}
    return found - sys.stdlib_module_names - OWN - EXTRAS - benchmarks


def distributions(module: str, installed: Mapping[str, list[str]]) -> set[str]:
    """Who may be asked for a module; itself when it is not installed."""
    module = INSIDE.get(module, module)
    return {canonical(name) for name in installed.get(module, [module, f"{module}-learn"])}


@pytest.fixture(scope="module")
def installed() -> Mapping[str, list[str]]:
    return packages_distributions()


@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        ("v2a_lightning", ("demo", "listening", "umap")),
        ("data_modules", ("download", "ray", "stream")),
        ("callbacks", ()),
        ("experiments", ("test",)),
        ("tests", ("test",)),
    ],
)
def test_every_import_is_asked_for(
    folder: str, extras: tuple[str, ...], installed: Mapping[str, list[str]]
) -> None:
    wanted = asked_for(*extras)
    missing = {module for module in imported(folder) if not distributions(module, installed) & wanted}
    assert not missing


def test_nothing_is_asked_for_in_one_exact_version() -> None:
    lines = [*PROJECT["dependencies"], *(line for group in PROJECT["optional-dependencies"].values() for line in group)]
    ranges = [one.specifier for one in map(Requirement, lines) if one.name != PROJECT["name"]]
    assert not [one for one in ranges if "==" in str(one)]
    assert all(re.search(r">=\d", str(one)) for one in ranges)


def test_every_extra_for_users_is_in_all() -> None:
    extras = PROJECT["optional-dependencies"]
    everything = {extra for line in extras["all"] for extra in Requirement(line).extras}
    assert everything == extras.keys() - {"all", "docs", "test"}


def test_the_tested_set_names_every_package_asked_for() -> None:
    tested = dict(line.split("==") for line in (ROOT / ".ci" / "constraints.txt").read_text().split())
    assert asked_for("test") <= {canonical(name) for name in tested}
