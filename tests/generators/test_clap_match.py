"""Whether two CLAPs are one: by a waveform, by the text tower, by the empty text."""

import shutil
from pathlib import Path

import pytest
from transformers import ClapModel, ClapTextModelWithProjection

from tests.random_weights import write_random
from v2a_lightning.encoders import ClapEncoder
from v2a_lightning.generators.clap_match import SELF_TEST_FILE, compare, self_test_waveform


@pytest.fixture(scope="module")
def claps(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[ClapEncoder, ClapEncoder]:
    other = write_random(tmp_path_factory.mktemp("other"), seed=1)
    return ClapEncoder(str(weights / "clap")), ClapEncoder(str(other / "clap"))


def test_the_wave_is_always_the_same() -> None:
    waveform = self_test_waveform()
    assert waveform.shape == (1, 163_840)
    assert waveform[0, [1, 1000, 100_000]] == pytest.approx([0.0918, 0.0897, -0.2123], abs=1e-3)


def test_by_the_fixed_wave(weights: Path, claps: tuple[ClapEncoder, ClapEncoder]) -> None:
    same, other = (compare(clap, weights / "audioldm") for clap in claps)
    assert same.same is True
    assert other.same is False
    assert "of a fixed wave" in other.evidence


def test_by_the_empty_text_and_by_nothing(
    weights: Path, claps: tuple[ClapEncoder, ClapEncoder], tmp_path: Path
) -> None:
    folder = shutil.copytree(weights / "audioldm", tmp_path / "audioldm")
    (folder / SELF_TEST_FILE).unlink()
    assert [compare(clap, folder).same for clap in claps] == [True, False]
    (folder / "unconditional.safetensors").unlink()
    assert compare(claps[0], folder).same is None


def test_by_the_published_folders_text_tower(
    weights: Path, claps: tuple[ClapEncoder, ClapEncoder], tmp_path: Path
) -> None:
    model = ClapModel.from_pretrained(weights / "clap")
    tower = ClapTextModelWithProjection(model.config.text_config)
    tower.text_model.load_state_dict(model.text_model.state_dict())
    tower.text_projection.load_state_dict(model.text_projection.state_dict())
    tower.save_pretrained(tmp_path / "text_encoder")
    same, other = (compare(clap, tmp_path) for clap in claps)
    assert same.same is True
    assert other.same is False
    assert "0 of" not in same.evidence
