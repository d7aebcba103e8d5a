"""Pickled checkpoints: their tensors come out as they went in, and nothing of theirs is executed."""

import datetime
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.checkpoints.malice import Command, malicious
from tests.checkpoints.torchscript import tree_of
from v2a_lightning.checkpoints.weights import read_weights
from v2a_lightning.encoders import ClapEncoder, ClipEncoder
from v2a_lightning.errors import RunFailure, V2AError
from v2a_lightning.evaluation.extractors import load_extractor
from v2a_lightning.generators import AudioLDM
from v2a_lightning.module import V2AMapper

STATE = {
    "layer.weight": torch.arange(12.0).view(3, 4),
    "view": torch.arange(16.0).half().view(4, 4)[:, 1:3],
    "turned": torch.arange(6).view(2, 3).T,
    "number": torch.tensor(1.5, dtype=torch.float64),
    "nothing": torch.zeros(0, 3),
    "flags": torch.tensor([True, False]),
    "brief": torch.arange(4.0).bfloat16(),
}
READERS = {
    "clip": lambda path: ClipEncoder(str(path), model_name="RN50").load(),
    "clap": lambda path: ClapEncoder(str(path)).load(),
    "laion": lambda path: ClapEncoder(str(path), backend="laion_clap").load(),
    "audioldm": lambda path: AudioLDM(str(path)).load(),
    "cnn14": lambda path: load_extractor("cnn14", path),
    "vggish": lambda path: load_extractor("vggish", path),
    "wav2clip": lambda path: load_extractor("wav2clip", path),
    "mapper": V2AMapper.from_pretrained,
}


@pytest.mark.parametrize("archive", [True, False], ids=["zip", "stream"])
@pytest.mark.parametrize("holder", [None, "state_dict", "model"])
def test_tensors_come_out_as_they_went_in(tmp_path: Path, archive: bool, holder: str | None) -> None:
    file = tmp_path / "weights.any"
    content = {f"module.{name}": torch.nn.Parameter(one, False) for name, one in STATE.items()}
    others = {"epoch": np.float64(3), "when": datetime.date(2023, 1, 1), "callbacks": {Path: [1]}, "args": np.arange(3)}
    saved = content if holder is None else {holder: content, **others}
    torch.save(saved, file, _use_new_zipfile_serialization=archive)
    _assert_equal(read_weights(file))


def test_a_torchscript_archive_is_read_and_not_run(tmp_path: Path) -> None:
    torch.jit.script(tree_of(STATE)).save(str(tmp_path / "archive.pt"))
    _assert_equal(read_weights(tmp_path / "archive.pt"))


def _assert_equal(found: dict[str, torch.Tensor]) -> None:
    assert found.keys() == STATE.keys()
    for name, tensor in STATE.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


@pytest.mark.parametrize("reader", READERS)
def test_nothing_a_checkpoint_names_is_executed(tmp_path: Path, reader: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("V2A_CACHE", str(tmp_path / "cache"))
    marker, file = tmp_path / "executed", tmp_path / "model.ckpt"
    for what, content in malicious(marker):
        file.write_bytes(content)
        with pytest.raises(V2AError) as error:
            READERS[reader](file)
        assert not marker.exists(), what
        assert "\n" not in str(error.value)
        assert "model.ckpt" in str(error.value), what


def test_the_commands_of_these_tests_do_run_when_unpickled(tmp_path: Path) -> None:
    import pickle

    pickle.loads(pickle.dumps(Command(tmp_path / "executed")))
    assert (tmp_path / "executed").exists()


@pytest.mark.parametrize("archive", [True, False], ids=["zip", "stream"])
def test_damaged_bytes_are_told_or_are_numbers(tmp_path: Path, archive: bool) -> None:
    file = tmp_path / "weights.pt"
    torch.save(STATE, file, _use_new_zipfile_serialization=archive)
    whole = file.read_bytes()
    random = np.random.default_rng(0)
    for _ in range(200):
        content = bytearray(whole)
        content[int(random.integers(len(content)))] ^= int(random.integers(1, 256))
        file.write_bytes(content[: int(random.integers(1, len(content) + 1))] if random.random() < 0.3 else content)
        said = ""
        try:
            read_weights(file)
        except RunFailure as error:
            said = str(error)
        assert not said or ("weights.pt" in said and "\n" not in said)
