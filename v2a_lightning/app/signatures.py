"""What the classes of a config take, read from their source. Nothing is imported: a page of help costs no torch."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec, resolve_name
from pathlib import Path

from docstring_parser import parse

from v2a_lightning.components import MOVED

# A name that a package imports from a module that imports it from another, and so on.
MOST_HOPS = 12


@dataclass(frozen=True)
class Parameter:
    """One argument of a class.

    Args:
        kind: its annotation's source, or "".
        default: its default's source; None when it has to be given.
        meaning: of the docstring, in one line.
        classes: paths of the classes that the annotation names.
    """

    kind: str
    default: str | None
    meaning: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Signature:
    """What a class takes.

    Args:
        summary: the first sentence of its docstring.
        is_dataclass: whether a config gives its arguments without naming it.
        closed: whether `parameters` are all there are.
    """

    summary: str
    parameters: dict[str, Parameter]
    is_dataclass: bool
    closed: bool


@cache
def signature(class_path: str) -> Signature | None:
    """The signature of a class; None when there is no source with it."""
    located = _locate(MOVED.get(class_path, class_path))
    if located is None:
        return None
    module, node = located
    initialise = next((one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"), None)
    texts = [text for text in (ast.get_docstring(node), initialise and ast.get_docstring(initialise)) if text]
    documented = [one for text in texts for one in parse(text).params]
    described = {one.arg_name: " ".join((one.description or "").split()) for one in documented}
    is_dataclass = any("dataclass" in ast.unparse(one) for one in node.decorator_list)
    bases = [signature(f"{module}.{ast.unparse(base).partition('[')[0]}") for base in node.bases]
    if initialise is not None:
        own, closed = dict(_arguments(initialise.args)), True
    else:
        own, closed = dict(_fields(node)) if is_dataclass else {}, is_dataclass
    parameters = {
        name: Parameter(
            ast.unparse(kind) if kind else "",
            ast.unparse(default) if default else None,
            described.get(name, ""),
            tuple(f"{module}.{one.id}" for one in ast.walk(kind) if isinstance(one, ast.Name)) if kind else (),
        )
        for name, (kind, default) in own.items()
    }
    if initialise is None or initialise.args.kwarg is not None:
        inherited = next((base for base in bases if base is not None and (base.parameters or base.closed)), None)
        passed = _passed_on(initialise, list(inherited.parameters)) if inherited else None
        if inherited is not None and passed is not None:
            parameters |= {name: inherited.parameters[name] for name in passed if name not in parameters}
        closed = (is_dataclass and not bases) or (passed is not None and inherited is not None and inherited.closed)
    summary = " ".join(texts[0].split("\n\n")[0].split()) if texts else ""
    return Signature(summary, parameters, is_dataclass, closed)


def public_path(class_path: str) -> str:
    """The path by which a class is to be named: that of its package, where the package offers it."""
    located = _locate(class_path)
    if located is None:
        return class_path
    module, node = located
    offered = f"{module.rpartition('.')[0]}.{node.name}"
    return offered if _locate(offered) == located else f"{module}.{node.name}"


def _arguments(arguments: ast.arguments) -> Iterator[tuple[str, tuple[ast.expr | None, ast.expr | None]]]:
    named = arguments.args[1:]
    defaults: list[ast.expr | None] = [None] * (len(named) - len(arguments.defaults)) + list(arguments.defaults)
    for one, default in zip([*named, *arguments.kwonlyargs], [*defaults, *arguments.kw_defaults], strict=True):
        yield one.arg, (one.annotation, default)


def _fields(node: ast.ClassDef) -> Iterator[tuple[str, tuple[ast.expr | None, ast.expr | None]]]:
    for one in node.body:
        if not (isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)):
            continue
        if "ClassVar" not in ast.unparse(one.annotation):
            yield one.target.id, (one.annotation, one.value)


def _passed_on(initialise: ast.FunctionDef | None, names: list[str]) -> list[str] | None:
    """Those of a base's arguments that `**options` of this constructor may hold; None when that cannot be known."""
    if initialise is None:
        return names
    for call in ast.walk(initialise):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "super().__init__":
            given = {one.arg for one in call.keywords} | set(names[: len(call.args)])
            return [name for name in names if name not in given] if None in given else None
    return None


def _locate(class_path: str, hops: int = 0) -> tuple[str, ast.ClassDef] | None:
    """The module that defines a class, and its definition."""
    module, _, name = class_path.rpartition(".")
    source = _source(module) if module and hops < MOST_HOPS else None
    if source is None:
        return None
    tree, package = source
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return module, node
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    origin = resolve_name("." * node.level + (node.module or ""), package)
                    return _locate(f"{origin}.{alias.name}", hops + 1)
    return None


@cache
def _source(module: str) -> tuple[ast.Module, str] | None:
    """A module's syntax tree, and the package that it is in."""
    top, *inner = module.split(".")
    try:
        # Of a package that is in no other, this imports nothing.
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin)
    if inner:
        path = path.parent.joinpath(*inner, "__init__.py")
        path = path if path.is_file() else path.parent.with_suffix(".py")
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError):
        return None
    return tree, module if path.name == "__init__.py" else module.rpartition(".")[0]
