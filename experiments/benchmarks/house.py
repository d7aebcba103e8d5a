"""How the code is built: `python -m experiments.benchmarks.house` measures it and writes docs/HOUSE.md.

Rooms are folders of the package, and the small files beside them are the ground floor. An arrow is an import, wherever
in a file it stands, between two rooms. A circle is a set of files that import one another.
"""

import ast
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import networkx

PROJECT = Path(__file__).parents[2]
PACKAGE = "v2a_lightning"
# These two stand at the top level of the project and inside the package at once.
LINKED = ("data_modules", "callbacks")
DOCUMENT = PROJECT / "docs" / "HOUSE.md"

# From the ground up: a room imports its own floor's rooms further left, and those of the floors below.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("ground",),
    ("media", "checkpoints"),
    ("mapper", "encoders", "generators"),
    ("evaluation",),
    ("module",),
    ("pipeline",),
    ("miniature",),
    ("data_modules",),
    ("reports",),
    ("callbacks",),
    ("studies", "listening"),
    ("app",),
)
# Files beside the rooms that are no ground floor: the mapper as a whole, with what trains and saves it.
MODULE_ROOM = (
    "module",
    "assembled_mapper",
    "saved_mapper",
    "closed_form_fit",
    "model_card",
    "generation",
    "embedding_scores",
    "epoch_mean",
    "not_finite",
)
# The one room that may be entered by name only: its data module, its command, and studies of the small world.
MINIATURE_DOORS = ("data_modules/miniature.py", "v2a_lightning/app/", "v2a_lightning/studies/")


@dataclass
class House:
    """The package's files and how they import one another."""

    lines: dict[str, int] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    imports: set[tuple[str, str]] = field(default_factory=set)
    hidden: list[str] = field(default_factory=list)
    functions: Counter[str] = field(default_factory=Counter)

    def room(self, module: str) -> str:
        """The room a module is in."""
        parts = module.split(".")[1:] or [""]
        if parts[0] == "__main__":
            return "app"
        if parts[0] in MODULE_ROOM:
            return "module"
        return parts[0] if parts[0] in {room for floor in FLOORS for room in floor} else "ground"

    def arrows(self) -> set[tuple[str, str]]:
        """Pairs of rooms of which the first imports the second."""
        pairs = {(self.room(one), self.room(other)) for one, other in self.imports}
        return {(one, other) for one, other in pairs if one != other}

    def arrows_up(self) -> list[tuple[str, str]]:
        """Arrows to a higher floor, or to the right on their own."""
        place = {room: (floor, -index) for floor, rooms in enumerate(FLOORS) for index, room in enumerate(rooms)}
        place |= {room: (place[room][0], index) for rooms in FLOORS for index, room in enumerate(rooms)}
        return sorted((one, other) for one, other in self.arrows() if place[other] > place[one])

    def circles(self) -> list[list[str]]:
        """Sets of files that import one another."""
        graph = networkx.DiGraph(sorted(self.imports))
        return sorted(sorted(part) for part in networkx.strongly_connected_components(graph) if len(part) > 1)

    def miniature_entered(self) -> list[str]:
        """Files outside the miniature that import it and are none of its doors."""
        entering = {one for one, other in self.imports if self.room(other) == "miniature" != self.room(one)}
        paths = sorted(self.files[one].relative_to(PROJECT).as_posix() for one in entering)
        return [path for path in paths if not path.startswith(MINIATURE_DOORS)]


def survey() -> House:
    """Read every file of the package."""
    house = House()
    for folder in (PACKAGE, *LINKED):
        for path in sorted((PROJECT / folder).rglob("*.py")):
            relative = path.relative_to(PROJECT)
            if relative.parts[1] in (*LINKED, "configs") and folder == PACKAGE:
                continue
            name = ".".join(relative.with_suffix("").parts)
            name = name if folder == PACKAGE else f"{PACKAGE}.{name}"
            house.files[name.removesuffix(".__init__")] = path
    for name, path in house.files.items():
        text = path.read_text()
        house.lines[name] = text.count("\n")
        for target, line, inside in _imports(ast.parse(text), house.files):
            house.imports.add((name, target))
            if inside and house.room(name) != "app":
                house.hidden.append(f"{path.relative_to(PROJECT)}:{line}")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                house.functions[f"{name}.{node.name}"] = _body_lines(node)
    return house


def _body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines without the signature and the docstring, which are a command's options and its help."""
    first = function.body[1] if ast.get_docstring(function) and function.body[1:] else function.body[0]
    assert function.end_lineno is not None
    return function.end_lineno - first.lineno + 1


def _imports(tree: ast.Module, files: dict[str, Path]) -> Iterator[tuple[str, int, bool]]:
    """(module, line, whether inside a function) of every import of the package."""
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            targets = [_module(node.module, alias.name, files) for alias in node.names]
        else:
            continue
        for target in targets:
            if target in files:
                yield target, node.lineno, id(node) in inside


def _module(package: str, name: str, files: dict[str, Path]) -> str:
    return f"{package}.{name}" if f"{package}.{name}" in files else package


def strict_errors() -> int:
    """Errors of mypy, which is strict here."""
    command = [sys.executable, "-m", "mypy", "--no-error-summary"]
    found = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    return sum(": error:" in line for line in found.stdout.splitlines())


def page(house: House) -> str:
    """docs/HOUSE.md."""
    rooms: dict[str, list[str]] = defaultdict(list)
    for name in house.files:
        rooms[house.room(name)].append(name)
    longest, length = house.functions.most_common(1)[0]
    figures = {
        "circles of files": len(house.circles()),
        "arrows between rooms": len(house.arrows()),
        "arrows up": ", ".join(" to ".join(arrow) for arrow in house.arrows_up()) or "0",
        "imports of the project inside a function, outside app": len(house.hidden),
        "files": len(house.files),
        "lines": sum(house.lines.values()),
        "longest body of a function": f"{longest.removeprefix(PACKAGE + '.')}, {length} lines",
        "files over 300 lines": sum(lines > 300 for lines in house.lines.values()),
        "errors of `mypy --strict`": strict_errors(),
    }
    text = [
        "# The house in figures",
        "",
        "Written by `make house`. Rooms from the top floor down; a room imports only from floors below its own.",
        "",
        "| figure | value |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in figures.items()),
        "",
        "| room | files | lines |",
        "|---|---|---|",
    ]
    for floor in reversed(FLOORS):
        for room in floor:
            text.append(f"| {room} | {len(rooms[room])} | {sum(house.lines[name] for name in rooms[room])} |")
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    DOCUMENT.write_text(page(survey()))
    print(DOCUMENT.read_text())
