"""Objects from the class paths in files that others wrote: only this project's classes, and those of trusted packages.

A checkpoint, a saved mapper and a pipeline say how they were made: `{"class_path": ..., "init_args": {...}}`. Whoever
wrote the file chose those words, so nothing is imported before it is known to be allowed, and nothing is called but the
constructor of a class that is what the place asks for. A package of one's own parts is named in the environment:

    V2A_TRUST=my_parts,other_parts
"""

import dataclasses
import functools
import importlib
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from v2a_lightning.errors import UsageError

Made = TypeVar("Made")

OWN_PACKAGES = ("v2a_lightning",)
# Where a class stands now that checkpoints, pipelines and configs of earlier versions name elsewhere.
_DATA = ("EmbeddingDataModule", "ImageHearDataModule", "MiniatureDataModule", "VGGSoundDataModule")
_CALLBACKS = ("AudioEvaluation", "DomainGap", "EmbeddingWriter", "ExponentialAverage", "RunReport", "UsedClips")
MOVED = {
    **{f"data_modules.{name}": f"v2a_lightning.data_modules.{name}" for name in _DATA},
    **{f"callbacks.{name}": f"v2a_lightning.callbacks.{name}" for name in _CALLBACKS},
    **{
        f"v2a_lightning.experiments.direct.{name}": f"v2a_lightning.studies.analyses.direct_baseline.{name}"
        for name in ("DirectBaseline", "LentAudioLDM")
    },
    "v2a_lightning.foundation.AudioLDM": "v2a_lightning.generators.AudioLDM",
    "v2a_lightning.foundation.ClipEncoder": "v2a_lightning.encoders.ClipEncoder",
    "v2a_lightning.foundation.ClapEncoder": "v2a_lightning.encoders.ClapEncoder",
}
TRUST_VARIABLE = "V2A_TRUST"
# What constructors raise for values that are none of theirs.
REFUSALS = (TypeError, ValueError, RuntimeError, ArithmeticError, LookupError, AttributeError, MemoryError)


class SelfDescribing:
    """Remembers the arguments it was made with, so that a file can say how to make it again.

    For modules and plain classes alike. Arguments are what a YAML can say: plain values, dataclasses, self-describing
    objects, and lists and dicts of these.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            cls.__init__ = _recording(cls.__init__)  # type: ignore[method-assign]

    def describe(self) -> dict[str, Any]:
        """`{"class_path": ..., "init_args": {...}}`, as a YAML says it; UsageError for arguments that it cannot say."""
        arguments = _fields(self) if dataclasses.is_dataclass(self) else self.__dict__.get("_init_args", {})
        name = type(self).__qualname__
        plain = {key: _described(value, f"{name}: the argument {key!r}") for key, value in arguments.items()}
        return {"class_path": class_path(type(self)), "init_args": plain}


def class_path(cls: type) -> str:
    """Where users import the class from: files may move inside a package, and old checkpoints must still load."""
    package = cls.__module__.rpartition(".")[0]
    if package and getattr(importlib.import_module(package), cls.__qualname__, None) is cls:
        return f"{package}.{cls.__qualname__}"
    return f"{cls.__module__}.{cls.__qualname__}"


def make(described: Any, expected: type[Made], source: object) -> Made:
    """The object that a class path and its arguments stand for.

    Args:
        described: `{"class_path": ..., "init_args": {...}}`, or the class path alone.
        expected: what the object has to be.
        source: the file that says so, for messages.

    Raises:
        UsageError: when the class is not trusted, is no `expected`, or refuses its arguments.
    """
    described = {"class_path": described} if isinstance(described, str) else described
    if not isinstance(described, Mapping) or not isinstance(described.get("class_path"), str):
        raise UsageError(f"{source}: where a {expected.__name__} is described, there is no class_path")
    return construct(_find(described["class_path"], expected, source), described.get("init_args") or {}, source)


def construct(cls: type[Made], arguments: Any, source: object) -> Made:
    """An object of a class from plain values of a file, and classes where the signature has one; or UsageError."""
    if not isinstance(arguments, Mapping):
        raise UsageError(f"{source}: the arguments of {cls.__name__} are no mapping of names to values")
    hints, parameters = get_type_hints(cls.__init__), inspect.signature(cls).parameters
    unknown = [name for name in arguments if name not in parameters]
    if unknown and not any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        raise UsageError(f"{source}: {cls.__name__} has no argument {unknown[0]!r}")
    values = {name: _value(value, hints.get(name), f"{source}: {name}") for name, value in arguments.items()}
    try:
        return cls(**values)
    except REFUSALS as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UsageError(f"{source}: {cls.__name__} cannot be made with these arguments: {reason}") from error


def parsed(parse: Callable[[Any], Any], text: Any, source: object) -> Mapping[str, Any]:
    """What a JSON or YAML text of a file says; UsageError, naming the file, when that is no mapping."""
    try:
        content = parse(text)
    except (ValueError, TypeError, AttributeError, RecursionError, yaml.YAMLError) as error:
        raise UsageError(f"{source} cannot be read: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(content, Mapping):
        raise UsageError(f"{source} cannot be read: it holds no names with values")
    return content


def trusted_packages() -> tuple[str, ...]:
    named = os.environ.get(TRUST_VARIABLE, "").split(",")
    return OWN_PACKAGES + tuple(name.strip() for name in named if name.strip())


def _recording(initialise: Callable[..., None]) -> Callable[..., None]:
    signature = inspect.signature(initialise)
    open_ended = [name for name, one in signature.parameters.items() if one.kind is one.VAR_KEYWORD]

    @functools.wraps(initialise)
    def wrapper(self: SelfDescribing, *args: Any, **kwargs: Any) -> None:
        # Only the outermost constructor's arguments say how to make the object; its super().__init__ calls do not.
        if "_init_args" not in self.__dict__:
            bound = signature.bind(self, *args, **kwargs)
            bound.apply_defaults()
            recorded = dict(list(bound.arguments.items())[1:])
            for name in open_ended:
                recorded |= recorded.pop(name)
            self.__dict__["_init_args"] = recorded
        initialise(self, *args, **kwargs)

    return wrapper


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}


def _described(value: Any, place: str) -> Any:
    if isinstance(value, SelfDescribing):
        return value.describe()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _described(_fields(value), place)
    if isinstance(value, Mapping):
        return {str(key): _described(one, place) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_described(one, place) for one in value]
    if isinstance(value, PurePath):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise UsageError(
        f"{place} is a {type(value).__name__}, which no YAML can say; derive {type(value).__name__} from "
        "v2a_lightning.components.SelfDescribing"
    )


def _find(class_path: str, expected: type[Made], source: object) -> type[Made]:
    class_path = MOVED.get(class_path, class_path)
    package = class_path.partition(".")[0]
    if package not in trusted_packages():
        raise UsageError(
            f"{source} names the class {class_path}, which is not this project's; if you trust the package {package}, "
            f"say {TRUST_VARIABLE}={package} in the environment"
        )
    module, _, name = class_path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except (ImportError, ValueError) as error:
        raise UsageError(
            f"{source} names the class {class_path}, which cannot be imported: {error}; put its folder on PYTHONPATH"
        ) from error
    if not (isinstance(found, type) and issubclass(found, expected)):
        raise UsageError(f"{source} names {class_path} where a {expected.__name__} is wanted, and it is none")
    return found


def _value(value: Any, hint: Any, place: str) -> Any:
    """A value as the constructor gets it; a class path only where the signature has a class of ours."""
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if isinstance(value, Mapping) and "class_path" in value:
        classes = [kind for kind in kinds if isinstance(kind, type) and kind.__module__ not in ("builtins", "pathlib")]
        if not classes:
            raise UsageError(f"{place} names the class {value['class_path']}, and no class belongs there")
        return make(value, classes[0], place)
    nested = next((kind for kind in kinds if isinstance(kind, type) and dataclasses.is_dataclass(kind)), None)
    if isinstance(value, Mapping) and nested:
        return construct(nested, value, place)
    if isinstance(value, Mapping) and (of := _values_class(kinds)):
        return {key: make(one, of, f"{place}.{key}") for key, one in value.items()}
    if not _is_plain(value) or not any(_fits(value, kind) for kind in kinds):
        raise UsageError(f"{place} is {str(value)[:80]!r}, which does not belong there")
    return value


def _values_class(kinds: tuple[Any, ...]) -> Any:
    """The class of a dict's values, where the signature has a dict of names to objects of ours."""
    of = [get_args(kind)[1] for kind in kinds if get_origin(kind) in (dict, Mapping) and len(get_args(kind)) == 2]
    return next((one for one in of if isinstance(one, type) and one.__module__ not in ("builtins", "pathlib")), None)


def _fits(value: Any, kind: Any) -> bool:
    """Whether a plain value may stand for a type; what an annotation leaves open may be anything plain."""
    kind = get_origin(kind) or kind
    if kind in (None, Any):
        return True
    if kind is Literal:
        return isinstance(value, str | int)
    if kind in (int, float):
        return isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)
    if kind in (list, tuple, Sequence):
        return isinstance(value, list | tuple)
    if kind is Path:
        return isinstance(value, str)
    return kind in (str, bool, dict, Mapping, NoneType) and isinstance(value, kind)


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(one) for one in value)
    if isinstance(value, Mapping):
        return "class_path" not in value and all(isinstance(key, str) and _is_plain(one) for key, one in value.items())
    return value is None or isinstance(value, bool | int | float | str)
