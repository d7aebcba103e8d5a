"""JSON files. What somebody may have written by hand is checked against a form before it is used.

A form is a type (`int`, `float`, `str`, `bool`, `dict` for any object), None, a list with the form of every item, a
dict with the form of each key, a dict {str: form} for any keys, or a tuple of forms of which one fits.
"""

import json
import math
from pathlib import Path
from typing import Any, NoReturn

from v2a_lightning.errors import UsageError
from v2a_lightning.files import atomic_write

LARGEST = 2**63
WHOLE = "the whole"
NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false", dict: "an object", None: "null"}


def read_json(path: Path, form: Any, what: str) -> Any:
    """The content of a file that has to have a form, and may have further keys; UsageError says where it differs."""
    if not path.is_file():
        raise UsageError(f"{path}: there is no such file")
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
        check(content, form)
    except (ValueError, RecursionError, OSError) as error:
        raise UsageError(f"{path}: is no {what} ({one_line(error)})") from error
    return content


def write_json(path: Path | str, content: Any, indent: int = 1) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=indent) + "\n", encoding="utf-8")


def check(value: Any, form: Any, place: str = "") -> None:
    """Raise ValueError, naming the first place, where a value does not fit a form."""
    if isinstance(form, tuple):
        _check_any(value, form, place)
    elif isinstance(form, list):
        _demand(isinstance(value, list), value, "a list", place)
        for number, item in enumerate(value):
            check(item, form[0], f"{place}[{number}]")
    elif isinstance(form, dict):
        _check_object(value, form, place)
    else:
        _demand(_fits(value, form), value, NAMES[form], place)


def one_line(error: BaseException) -> str:
    """An error's message, short and without line breaks."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text.encode("unicode_escape").decode()[:200]


def _check_object(value: Any, form: dict[Any, Any], place: str) -> None:
    _demand(isinstance(value, dict), value, "an object", place)
    any_key = form.get(str)
    for key in value:
        _demand(_fits(key, str), key, "text", f"{place}, a key")
    for key in value if str in form else form:
        if key not in value:
            raise ValueError(f"{place or WHOLE} lacks {key!r}")
        check(value[key], any_key if str in form else form[key], f"{place}.{key}" if place else str(key))


def _check_any(value: Any, forms: tuple[Any, ...], place: str) -> None:
    problems = []
    for form in forms:
        try:
            return check(value, form, place)
        except ValueError as error:
            problems.append(error)
    # A structure says more of what is wrong than that it is not null.
    raise next((one for one, form in zip(problems, forms, strict=True) if isinstance(form, list | dict)), problems[0])


def _fits(value: Any, form: Any) -> bool:
    if form is None:
        return value is None
    if form is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < LARGEST
    if form is float:
        return _fits(value, int) or (isinstance(value, float) and math.isfinite(value))
    if form is str:
        return isinstance(value, str) and not any(ord(one) < 9 or 0xD800 <= ord(one) < 0xE000 for one in value)
    return isinstance(value, form)


def _demand(fits: bool, value: Any, wanted: str, place: str) -> None:
    if not fits:
        shown = json.dumps(value)
        raise ValueError(f"{place or WHOLE} is {shown[:40]}{'...' if len(shown) > 40 else ''}, not {wanted}")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")
