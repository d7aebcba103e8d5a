"""The keys of a config and of the options over it, known before anything heavy is imported."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from v2a_lightning.app.messages import PROGRAM
from v2a_lightning.app.signatures import Signature, public_path, signature
from v2a_lightning.errors import UsageError
from v2a_lightning.project_configs import FLAG, config_path, options_of

# The top of a config: keys that always have one class, keys whose class the config names, and plain ones.
FIXED_CLASSES = {"trainer": "lightning.pytorch.Trainer", "run": "v2a_lightning.runs.RunSettings"}
CHOSEN_CLASSES = {
    "data": "the clips and their embeddings",
    "model": "the mapper",
    "evaluation": "sound made and scored",
    "averaging": "average of the weights",
}
PLAIN_KEYS = {
    "seed_everything": "of all that is drawn in a run",
    "ckpt_path": 'a checkpoint; "last" or "best": the newest of the experiment (in a fit, of the run --run.name)',
}
TOP = (*CHOSEN_CLASSES, *FIXED_CLASSES, *PLAIN_KEYS)
# What stands on a command line and is no key of a config.
NO_KEYS = ("config", "print_config", "help")
# Keys of earlier versions.
_SPLITS = ("validation_fraction", "validation_clips", "test_split", "max_clips", "passes")
_DECODING = ("num_workers", "timeout", "encoder_batch_size", "keep_still", "backend")
NEW_NAMES = {
    **{name: f"splits.{name}" for name in _SPLITS},
    **{name: f"decoding.{name}" for name in _DECODING},
    "audioldm": "generator",
    "extras": "metrics",
    "clip": "encoder",
}


@dataclass
class Keys:
    """The keys at one place of a config.

    Args:
        name: of the place, dotted, as an option has it; "" for the whole config.
        class_path: of the class that takes them; "" when it is not known.
        values: of the keys; those of a place in this one are `Keys`.
        unknown: every key that the class at its place does not take, with its place and where it is from.
    """

    name: str = ""
    class_path: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    unknown: "list[tuple[Keys, str, str]]" = field(default_factory=list)

    @property
    def signature(self) -> Signature | None:
        """What the class takes, if its source is there."""
        return signature(self.class_path) if self.class_path else None

    @property
    def names(self) -> list[str]:
        """The keys that can stand here, as far as is known."""
        if not self.name:
            return list(TOP)
        return list(self.signature.parameters) if self.signature else []

    @property
    def places(self) -> "list[Keys]":
        """The places in this one."""
        return [value for value in self.values.values() if isinstance(value, Keys)]

    def place(self, name: str) -> "Keys":
        """The place of a dotted name, or the last that is known on the way to it."""
        within = next((one for one in self.places if f"{name}.".startswith(f"{one.name}.")), None)
        return within.place(name) if within else self

    def take(self, given: Any, source: str) -> None:
        """Put what a file or an option says over what is there."""
        given = {"class_path": given} if isinstance(given, str) else given
        path = given.get("class_path", self.class_path)
        if path != self.class_path and isinstance(path, str):
            self.class_path = path
            # As the parser does: the new class keeps what it takes of the earlier one's.
            self.values = {key: value for key, value in self.values.items() if key in self.names}
        arguments = given.get("init_args", {}) if given.keys() & {"class_path", "init_args"} else given
        for key, value in arguments.items() if isinstance(arguments, dict) else ():
            self._take_key(str(key), value, source)

    def _take_key(self, key: str, value: Any, source: str) -> None:
        closed = not self.name or (self.signature is not None and self.signature.closed)
        if closed and key not in self.names:
            self.unknown.append((self, key, source))
            return
        inner, fixed = self.values.get(key), self._class_of(key)
        named = isinstance(value, dict) and isinstance(value.get("class_path"), str)
        known = named or fixed or isinstance(inner, Keys) or (isinstance(value, str) and signature(value))
        if not (known and isinstance(value, dict | str)):
            self.values[key] = value
            return
        if not isinstance(inner, Keys):
            inner = Keys(f"{self.name}.{key}".lstrip("."), fixed, unknown=self.unknown)
        inner.take(value, source)
        self.values[key] = inner

    def _class_of(self, key: str) -> str:
        """The class of a key that needs not be named: a dataclass."""
        if not self.name:
            return FIXED_CLASSES.get(key, "")
        classes = self.signature.parameters[key].classes if self.signature and key in self.names else ()
        return next((public_path(one) for one in classes if (found := signature(one)) and found.is_dataclass), "")

    def accepted(self) -> Iterator[str]:
        """The dotted name of every key that can stand here and in the places in this one."""
        yield from (f"{self.name}.{name}".lstrip(".") for name in self.names)
        for one in self.places:
            yield from one.accepted()

    @property
    def help(self) -> str:
        """The option that prints what can stand here."""
        if not self.name:
            return "--help"
        return f"--{self.name}.help" + ("" if self.name in FIXED_CLASSES else f" {self.class_path}")


def read_keys(arguments: Sequence[str]) -> Keys:
    """The keys of a command line: those of every `--config`, and the options.

    What is not YAML, and whatever is no key, is left for the parser to refuse.
    """
    keys = Keys()
    for flag, value in options_of(arguments):
        if flag == FLAG:
            path = config_path(value)
            content = _yaml(Path(path).read_text(encoding="utf-8", errors="replace")) if Path(path).is_file() else None
            if isinstance(content, dict):
                keys.take({key: one for key, one in content.items() if key not in NO_KEYS}, path)
            continue
        *outer, last = [one for one in flag.removeprefix("--").rstrip("+").split(".") if one != "init_args"]
        if {last, *outer} & {*NO_KEYS, "dict_kwargs"}:
            continue
        given: Any = {last: _yaml(value)}
        for name in reversed(outer):
            given = {name: given}
        keys.take(given, flag)
    return keys


def refuse_unknown_keys(command: str, arguments: Sequence[str]) -> None:
    """Refuse a key that its class does not take.

    Raises:
        UsageError: naming the key, the one that may be meant, and the page that lists them.
    """
    keys = read_keys(arguments)
    if not keys.unknown:
        return
    place, key, source = keys.unknown[0]
    message = f"{source}: there is no key {place.name}{'.' if place.name else ''}{key}"
    if key in NEW_NAMES:
        message += f"; {key} is called {NEW_NAMES[key]} now"
    elif meant := _meant(place, key, keys):
        message += f"; did you mean {meant}?"
    raise UsageError(f"{message}; `{PROGRAM} {command} {place.help}` lists the keys")


def config_arguments(configs: Sequence[str], settings: Sequence[str] = ()) -> list[str]:
    """The arguments of a `fit` of these configs, merged, with `key=value` over them.

    Raises:
        UsageError: when a setting has no value, a config is missing, or a class does not take a key.
    """
    if wrong := [one for one in settings if "=" not in one]:
        raise UsageError(f"--set wants key=value, not {wrong[0]!r}")
    arguments = [f"{FLAG}={config_path(config)}" for config in configs] + [f"--{one}" for one in settings]
    refuse_unknown_keys("fit", arguments)
    return arguments


def where_keys_are(command: str, arguments: Sequence[str], message: str) -> str:
    """The page for a parser's message that names a key of the top."""
    keys = read_keys(arguments)
    named = next((one for one in keys.places if f'"{one.name}' in message or f"--{one.name}" in message), keys)
    return f"`{PROGRAM} {command} {named.help}` lists the keys"


def _meant(place: Keys, key: str, keys: Keys) -> str:
    """The dotted name of a key that is spelt alike at the same place, or has this very name at another."""
    if near := get_close_matches(key, place.names, 1):
        return f"{place.name}.{near[0]}".lstrip(".")
    return next((name for name in keys.accepted() if name.rpartition(".")[2] == key), "")


def _yaml(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError):
        return text
