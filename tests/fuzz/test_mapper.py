"""A mapper's folder and its checkpoint, as a stranger, a disk or a transfer left them."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.strategies import accepted, damaged, json_files
from v2a_lightning.mapper import MLPRegressor, Regression
from v2a_lightning.mapper.aggregators import AverageFrames
from v2a_lightning.module import V2AMapper


def small() -> V2AMapper:
    torch.manual_seed(0)
    return V2AMapper(MLPRegressor(dim=8, hidden=2), Regression(), AverageFrames())


def written() -> dict[str, bytes]:
    mapper = small()
    with TemporaryDirectory() as folder:
        mapper.save_pretrained(Path(folder))
        content = {"state_dict": mapper.state_dict(), "hyper_parameters": mapper.describe()}
        torch.save(content | {"pytorch-lightning_version": "2.6.6"}, Path(folder, "mapper.ckpt"))
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


FILES = written()
CONFIG = json.loads(FILES["config.json"])
HEADER = int.from_bytes(FILES["model.safetensors"][:8], "little") + 8


@st.composite
def weights(draw: st.DrawFn) -> bytes:
    """Damage in the header, where it means something, as often as among the numbers."""
    content = FILES["model.safetensors"]
    if draw(st.booleans()):
        return draw(damaged(content))
    header = draw(json_files(json.loads(content[8:HEADER])))
    return len(header).to_bytes(8, "little") + header + content[HEADER:]


def check_mapper(mapper: V2AMapper | None) -> None:
    """What is accepted maps, and holds numbers."""
    if mapper is not None:
        for name, tensor in mapper.state_dict().items():
            assert tensor.isfinite().all(), name


def read_folder(path: Path) -> V2AMapper:
    return V2AMapper.from_pretrained(path.parent)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes(FILES[name])
    return tmp_path


@given(weights())
def test_safetensors(folder: Path, content: bytes) -> None:
    (folder / "config.json").write_bytes(FILES["config.json"])
    check_mapper(accepted(read_folder, folder / "model.safetensors", content, named=folder.name))


@given(json_files(CONFIG))
def test_config(folder: Path, content: bytes) -> None:
    (folder / "model.safetensors").write_bytes(FILES["model.safetensors"])
    check_mapper(accepted(read_folder, folder / "config.json", content, named=folder.name))


@given(damaged(FILES["mapper.ckpt"]))
def test_checkpoint(tmp_path: Path, content: bytes) -> None:
    check_mapper(accepted(V2AMapper.from_pretrained, tmp_path / "mapper.ckpt", content))
