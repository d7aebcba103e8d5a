"""Files that were right once: bytes flipped, cut, put in and taken out; JSON with another value somewhere."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import strategies as st

from v2a_lightning.errors import V2AError

Value = TypeVar("Value")

DEEP = 3000
# What stands in a file as text but is a value of JSON: deep nesting, and a number of more digits than Python reads.
RAW = ("[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP, "9" * 5000, "1e999", "NaN", "-Infinity")
TEXTS = ("", "x", "\0", "a\nb", "\ud800", "../x", "/etc/passwd", "é" * 300, "NaN", "0", "=1+1", "\u202e")
NUMBERS = (0, 1, -1, 2**63, 10**400, 0.5, 1e308)
ODD: tuple[Any, ...] = (None, True, False, *NUMBERS, *TEXTS, [], [[]], [1, "a"], {}, {"": 0})
MARKS = (b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80")
FRAGMENTS = (b"", b"\0", b"\n", b"\r\n", b'"', b",", b"'", b"[" * 99, b"nan", *MARKS)
MARK = "\x01raw\x01"


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes with one to three damages."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(("flip", "cut", "take out", "put in", "repeat", "replace"))):
            case "flip" if data:
                data[place % len(data)] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del data[place:]
            case "take out":
                del data[place : place + draw(st.integers(1, 64))]
            case "put in":
                data[place:place] = draw(st.sampled_from(FRAGMENTS) | st.binary(max_size=16))
            case "repeat":
                data[place:place] = data[: draw(st.integers(0, 256))]
            case "replace":
                some = draw(st.binary(min_size=1, max_size=8))
                data[place : place + len(some)] = some
    return bytes(data)


@st.composite
def altered_json(draw: st.DrawFn, content: Any) -> bytes:
    """JSON in which one to three values were exchanged, removed, doubled or renamed."""
    changed = {"": copy.deepcopy(content)}
    for _ in range(draw(st.integers(1, 3))):
        holder, key = draw(st.sampled_from(list(_places(changed))))
        match draw(st.sampled_from(("other", "raw", "remove", "double", "rename"))):
            case "other":
                holder[key] = draw(st.sampled_from(ODD))
            case "raw":
                holder[key] = MARK + draw(st.sampled_from(RAW)) + MARK
            case "remove" if holder is not changed:
                holder.pop(key)
            case "double" if isinstance(holder, list):
                holder.insert(key, copy.deepcopy(holder[key]))
            case "rename" if isinstance(holder, dict) and holder is not changed:
                holder[draw(st.sampled_from(TEXTS))] = holder.pop(key)
    text = json.dumps(changed[""])
    marked = json.dumps(MARK)[1:-1]
    return text.replace(f'"{marked}', "").replace(f'{marked}"', "").encode("utf-8", "surrogatepass")


def json_files(content: Any) -> st.SearchStrategy[bytes]:
    """Damaged and altered JSON."""
    text = json.dumps(content).encode()
    return altered_json(content) | damaged(text) | st.sampled_from([one.encode() for one in RAW])


def accepted(read: Callable[[Path], Value], path: Path, content: bytes, *, named: str | None = None) -> Value | None:
    """What a reader makes of a file, or None when it refuses it as it should: in one line that names the file."""
    path.write_bytes(content)
    try:
        return read(path)
    except V2AError as error:
        message = str(error)
        assert message.strip(), "says nothing"
        assert len(message.splitlines()) == 1, f"several lines: {message!r}"
        assert (named or path.name) in message, f"does not name the file: {message!r}"
        message.encode()  # it can be printed
        return None


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a structure: what holds it, and under which key or number."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        yield value, key
        yield from _places(inner)
