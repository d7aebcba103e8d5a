"""Help on the commands that are configured by YAML: one screen of the given config's keys, one page for a class."""

import re
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from v2a_lightning.app.config_keys import CHOSEN_CLASSES, FIXED_CLASSES, PLAIN_KEYS, TOP, Keys, read_keys
from v2a_lightning.app.messages import PROGRAM
from v2a_lightning.app.signatures import signature
from v2a_lightning.errors import UsageError
from v2a_lightning.project_configs import CONFIGS

LINES = 40
WIDEST_NAME, WIDEST_VALUE = 34, 36
# Of a run whose config is not given.
COMMON_KEYS = ("max_epochs", "devices", "accelerator", "precision")
Row = tuple[str, str, str]


def help_page(command: str, summary: str, arguments: Sequence[str]) -> str | None:
    """What `--help` or `--KEY.help [CLASS]` asks for; None when neither is there.

    Raises:
        UsageError: when the class cannot be found.
    """
    for index, argument in enumerate(arguments):
        flag, _, named = argument.partition("=")
        if flag in ("-h", "--help"):
            others = [*arguments[:index], *arguments[index + 1 :]]
            return _screen(command, summary, read_keys(others))
        if flag.startswith("--") and flag.endswith(".help"):
            following = arguments[index + 1] if index + 1 < len(arguments) else ""
            named = named or ("" if following.startswith("-") else following)
            return _class_page(flag[2 : -len(".help")], named, read_keys(arguments))
    return None


def _screen(command: str, summary: str, keys: Keys) -> str:
    head = [f"usage: {PROGRAM} {command} --config FILE [--KEY VALUE ...]", f"{summary[:1].upper()}{summary[1:]}."]
    own = ", ".join(sorted(path.stem for path in CONFIGS.glob("*.yaml")))
    foot = [
        "A page: --data.help [CLASS], --model.help, --model.network.help, --trainer.help; all values: --print_config",
        f"Example: {PROGRAM} {command} --config quickstart{'' if command == 'fit' else ' --ckpt_path last'}",
    ]
    if keys.places:
        rows = [row for name in TOP if name in keys.values for row in _rows(name, keys)]
    else:
        rows = list(_rows_without_config())
        foot = [f"A config's keys: {PROGRAM} {command} --config quickstart --help", f"Configs: {own}", *foot]
    if len(rows) > (most := LINES - len(head) - len(foot)):
        rows = [*rows[: most - 1], (f"and {len(rows) - most + 1} more", "", "see --print_config")]
    return "\n".join([*head, *_table(rows), *foot])


def _rows(name: str, keys: Keys) -> Iterator[Row]:
    value = keys.values[name]
    if not isinstance(value, Keys):
        yield f"--{name}", _shown(value), PLAIN_KEYS.get(name, "")
        return
    found = value.signature
    if name not in FIXED_CLASSES:
        yield f"--{name}", value.class_path.rpartition(".")[2], found.summary if found else ""
    for key, one in value.values.items():
        meaning = found.parameters[key].meaning if found and key in found.parameters else ""
        yield f"--{name}.{key}", _shown(one), meaning


def _rows_without_config() -> Iterator[Row]:
    yield "--config", "FILE", "YAML file, or the name of one of the project's; several are merged"
    for name, meaning in CHOSEN_CLASSES.items():
        yield f"--{name}", "CLASS", meaning
    for name, class_path in FIXED_CLASSES.items():
        found = signature(class_path)
        for key, one in found.parameters.items() if found else ():
            if name == "run" or key in COMMON_KEYS:
                yield f"--{name}.{key}", one.default or "", one.meaning
    for name, meaning in PLAIN_KEYS.items():
        yield f"--{name}", "", meaning


def _table(rows: Sequence[Row]) -> list[str]:
    width = max(80, min(shutil.get_terminal_size((120, 40)).columns, 140)) - 1
    names = min(WIDEST_NAME, max(len(name) for name, _, _ in rows))
    values = min(WIDEST_VALUE, max(len(value) for _, value, _ in rows))
    lines = []
    for name, value, meaning in rows:
        shown = value if len(value) <= values else f"{value[: values - 3]}..."
        begin = f"  {name:<{names}} {shown:<{values}} "
        sentence = re.split(r"[.;] ", meaning)[0].rstrip(".")
        lines.append((begin + textwrap.shorten(sentence, max(10, width - len(begin)), placeholder="...")).rstrip())
    return lines


def _shown(value: Any) -> str:
    """A value in one line; a class by its name."""
    if isinstance(value, Keys):
        inner = ", ".join(f"{key}: {_shown(one)}" for key, one in value.values.items())
        is_dataclass = value.signature is not None and value.signature.is_dataclass
        name = "" if is_dataclass else value.class_path.rpartition(".")[2]
        return f"{name} {{{inner}}}".strip() if inner else name
    if isinstance(value, dict) and "class_path" in value:
        return str(value["class_path"]).rpartition(".")[2]
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    return "null" if value is None else str(value)


def _class_page(name: str, named: str, keys: Keys) -> str:
    place = keys.place(name)
    class_path = named or FIXED_CLASSES.get(name) or (place.class_path if place.name == name else "")
    found = signature(class_path) if class_path else None
    if found is None:
        wanted = class_path or "no class is named; give one, or a --config that has it"
        raise UsageError(f"--{name}.help: {wanted}{': there is no such class' if class_path else ''}")
    given = place.values if place.name == name else {}
    lines = [f"{class_path}: {found.summary}", ""]
    for key, one in found.parameters.items():
        default = "needed" if one.default is None else f"default {one.default}"
        here = f", here {_shown(given[key])}" if key in given else ""
        lines.append(f"  --{name}.{key}  {one.kind} ({default}){here}")
        lines += textwrap.wrap(one.meaning, 110, initial_indent=" " * 6, subsequent_indent=" " * 6)
        lines += [f"      more: --{name}.{key}.help CLASS"] if any(map(signature, one.classes)) else []
    return "\n".join(lines)
