"""What is read from a class's source is what Python says of the class."""

import inspect
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import EXPERIMENTS
from v2a_lightning.app.signatures import public_path, signature
from v2a_lightning.components import class_path
from v2a_lightning.data_modules import Splits, VGGSoundDataModule


def named(value: Any) -> set[str]:
    """Every class that a config names."""
    if isinstance(value, list):
        return set().union(*map(named, value))
    if not isinstance(value, dict):
        return set()
    own = {value["class_path"]} if "class_path" in value else set()
    return own.union(*map(named, value.values()))


PATHS = sorted(named([yaml.safe_load(path.read_text()) for path in sorted(EXPERIMENTS.glob("*.yaml"))]))


@pytest.mark.parametrize("path", [*PATHS, "v2a_lightning.runs.RunSettings", "lightning.pytorch.Trainer"])
def test_parameters_are_those_of_the_class(path: str) -> None:
    module, _, name = path.rpartition(".")
    cls = getattr(__import__(module, fromlist=[name]), name)
    found = signature(path)
    assert found is not None
    expected = inspect.signature(cls).parameters
    plain = [one.name for one in expected.values() if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)]
    assert list(found.parameters)[: len(plain)] == plain
    if found.closed and len(plain) == len(expected):
        assert len(found.parameters) == len(plain)


def test_what_is_passed_on_to_a_base_is_taken_too_but_not_what_is_fixed() -> None:
    miniature = signature("v2a_lightning.data_modules.MiniatureDataModule")
    assert miniature is not None
    assert miniature.closed
    assert {"batch_size", "precision", "vggsounder"} <= miniature.parameters.keys()
    assert not {"csv", "media", "manifest", "options"} & miniature.parameters.keys()
    assert miniature.parameters["batch_size"].default == "64"
    assert miniature.parameters["batch_size"].meaning == "clips in a batch, over all devices and nodes."


def test_a_class_of_ones_own_is_read_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_parts.py").write_text(
        "from v2a_lightning.mapper import MLPMapper as Base\n\n\nclass Mine(Base):\n"
        '    """Mine.\n\n    Args:\n        colour: of it.\n    """\n\n'
        "    def __init__(self, colour: str = 'red', **rest) -> None:\n        super().__init__(hidden=3, **rest)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    found = signature("own_parts.Mine")
    assert found is not None
    assert next(iter(found.parameters)) == "colour"
    assert "hidden" not in found.parameters
    assert "condition_dim" in found.parameters
    assert found.parameters["colour"].meaning == "of it."


def test_classes_are_named_by_their_package() -> None:
    for cls in (Splits, VGGSoundDataModule):
        assert public_path(f"{cls.__module__}.{cls.__name__}") == class_path(cls)
    assert signature("no.such.Class") is None
    assert signature("v2a_lightning.mapper.Transformator") is None
