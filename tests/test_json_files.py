"""JSON is held against its form, and the first place that does not fit is named."""

from pathlib import Path
from typing import Any

import pytest

from v2a_lightning.errors import UsageError
from v2a_lightning.json_files import check, read_json

FORM = {"name": str, "share": float, "count": int, "ids": [str], "more": ({str: int}, None)}
GOOD = {"name": "a", "share": 1, "count": 2, "ids": ["b"], "more": {"c": 3}, "beside": "is let be"}


def test_what_fits() -> None:
    check(GOOD, FORM)
    check({**GOOD, "more": None, "ids": [], "share": 0.5}, FORM)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("name", 3, "name is 3, not text"),
        ("name", "a\0", "not text"),
        ("name", "\ud800", "not text"),
        ("share", True, "share is true, not a number"),
        ("share", float("inf"), "not a number"),
        ("share", 10**400, "not a number"),
        ("count", 1.5, "count is 1.5, not a whole number"),
        ("count", True, "count is true, not a whole number"),
        ("ids", {"b": 1}, "ids is .*, not a list"),
        ("ids", ["b", None], r"ids\[1\] is null, not text"),
        ("more", {"c": "d"}, "more.c is .*, not a whole number"),
        ("more", 4, "more is 4, not an object"),
    ],
)
def test_what_does_not_fit(key: str, value: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        check({**GOOD, key: value}, FORM)


def test_what_is_missing() -> None:
    with pytest.raises(ValueError, match="the whole lacks 'name'"):
        check({}, FORM)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"NaN", b"[" * 100_000, b"9" * 5000, b"[]"])
def test_other_files_are_refused_in_a_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "some.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"some.json: is no file of settings \(.+\)$"):
        read_json(path, dict, "file of settings")
