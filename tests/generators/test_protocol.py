"""Any generator goes the whole way: doctor, fit with its evaluation, generate, evaluate, and a saved pipeline opened in
another process. One of one's own in a file of one's own, and MusicLDM."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.app.test_doctor import examine, line_of
from tests.app.test_fit import columns, fit, only_run, write
from tests.generators.musicldm_folder import write_musicldm
from v2a_lightning.app.cli import main
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.generators import AudioLDM, Condition, Generator
from v2a_lightning.pipeline import V2APipeline

TONE = '''
import torch
from v2a_lightning.generators import Condition, Generator


class Tone(Generator):
    """A sine wave; which number of the embedding is largest decides its pitch."""

    sample_rate = 16_000
    condition = Condition(tokens=1, width=512)

    def __init__(self, loudness: float = 0.3) -> None:
        self.loudness = loudness

    def generate(self, condition, *, seconds, seeds, steps=None, guidance=None):
        rows = self.checked(condition, seeds, seconds)
        pitch = 110 * 2 ** (rows[:, 0].argmax(-1, keepdim=True) / 128)
        time = torch.arange(round(seconds * self.sample_rate)) / self.sample_rate
        return self.loudness * torch.sin(2 * torch.pi * pitch.cpu() * time)
'''
OPENED_ELSEWHERE = """
import sys, numpy
from v2a_lightning.pipeline import V2APipeline
metrics = [name for name in sys.modules if name.startswith(("v2a_lightning.evaluation", "torchmetrics"))]
assert not metrics, f"a pipeline needs no metric, and {metrics[0]} was imported"
pipeline = V2APipeline.from_pretrained(sys.argv[1])
numpy.save(sys.argv[3], pipeline(sys.argv[2], seed=3).numpy())
"""


@pytest.fixture
def tone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with my_tone.py, which Python finds."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "my_tone.py").write_text(TONE)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "my_tone", raising=False)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
    return folder


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8)).save(tmp_path / "still.png")
    return tmp_path / "still.png"


def trained(config: dict[str, Any], folder: Path, described: dict[str, Any]) -> Path:
    """The folder of a run of one epoch with a generator."""
    config["evaluation"]["init_args"] |= {"generator": described, "clips": 2}
    config["run"]["wandb"] = "disabled"
    assert fit(write(config, folder), "--trainer.max_epochs=1") == 0
    return only_run(config)


def opened_elsewhere(folder: Path, picture: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A saved pipeline's sound of a picture, made by another process into sound.npy."""
    arguments = [sys.executable, "-c", OPENED_ELSEWHERE, str(folder), str(picture), str(picture.with_name("sound.npy"))]
    return subprocess.run(arguments, capture_output=True, text=True, env={**os.environ, **variables}, check=False)


def test_a_generator_of_ones_own_goes_the_whole_way(
    tiny_config: dict[str, Any],
    tone: Path,
    picture: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    described = {"class_path": "my_tone.Tone", "init_args": {"loudness": 0.2}}
    run = trained(tiny_config, tmp_path, described)
    assert len(columns(run)["val/fd"]) == 1
    made = json.loads((run / "audio" / "epoch_000" / "generation.json").read_text())
    card = json.loads((run / "audio" / "epoch_000" / "evaluation.json").read_text())["cards"]["fd"]["generation"]
    for told in (made, card):
        assert told["generator"] == described
        assert len(told["generator_fingerprint"]) == 64
        assert {"steps", "guidance", "sampler", "eta", "audioldm"}.isdisjoint(told), "a tone has none of these"

    capsys.readouterr()
    code, text = examine(tiny_config, tmp_path, capsys)
    assert code == 0, text
    assert line_of(text, "ok       Tone", "opens: Tone")

    checkpoint, sounds = str(run / "checkpoints" / "last.ckpt"), tmp_path / "sounds"
    generate = ["generate", str(picture), "--checkpoint", checkpoint, "--output", str(sounds), "--device=cpu"]
    assert main(generate) == 2
    assert "last.ckpt: generator names the class my_tone.Tone" in (told := capsys.readouterr().err)
    assert "say V2A_TRUST=my_tone" in told
    monkeypatch.setenv("V2A_TRUST", "my_tone")
    assert main([*generate, "--steps=3"]) == 2
    assert "Tone has no steps to set; leave --steps out" in capsys.readouterr().err
    assert main(generate) == 0
    assert json.loads((sounds / "generation.json").read_text())["generator"] == described

    pipeline = V2APipeline.from_pretrained(checkpoint)
    pipeline.save_pretrained(tmp_path / "saved")
    assert "| generator | `Tone`" in (tmp_path / "saved" / "README.md").read_text()
    ended = opened_elsewhere(tmp_path / "saved", picture)
    assert ended.returncode == 0, ended.stderr
    sound = np.load(picture.with_name("sound.npy"))
    assert np.array_equal(sound, pipeline(picture, seed=3).numpy())
    assert np.abs(sound).max() == pytest.approx(0.2, abs=1e-3)

    (tone / "my_tone.py").unlink()
    gone = opened_elsewhere(tmp_path / "saved", picture).stderr.splitlines()[-1]
    assert f"{tmp_path / 'saved'}: generator names the class my_tone.Tone, which cannot be imported" in gone


def test_musicldm_goes_the_whole_way(
    tiny_config: dict[str, Any],
    tiny_world: Path,
    random_weights: Path,
    picture: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = write_musicldm(tmp_path / "musicldm", random_weights / "audioldm", random_weights / "clap")
    arguments = {"checkpoint": str(folder), "steps": 1, "guidance": 1.0, "batch_size": 4}
    described = {"class_path": "v2a_lightning.generators.MusicLDM", "init_args": arguments}
    tiny_config["data"]["init_args"]["clap"]["init_args"]["checkpoint"] = str(folder)
    tiny_config["data"]["init_args"]["store"] = str(tmp_path / "store")
    code, text = examine_with(tiny_config, described, tmp_path, capsys)
    assert code == 0, text
    assert line_of(text, "ok       musicldm", "opens: 512 wide, 16000 Hz, 1/2/3 attention heads")
    assert line_of(text, "ok       clap", "is the one the generator was trained with", "tensors of the text towers")

    run = trained(tiny_config, tmp_path, described)
    scored = json.loads((run / "audio" / "epoch_000" / "evaluation.json").read_text())
    told = scored["cards"]["fd"]["generation"]
    assert told["generator"]["class_path"] == "v2a_lightning.generators.MusicLDM"
    assert told["generator"]["init_args"] | arguments == told["generator"]["init_args"]
    assert (told["steps"], told["guidance"]) == (1, 1.0)
    options = ["--config", str(run / "audio" / "epoch_000" / "evaluate.yaml"), "--resamples=0", "--device=cpu"]
    assert main(["evaluate", *options, "--output", str(tmp_path / "scores.json")]) == 0
    again = json.loads((tmp_path / "scores.json").read_text())["metrics"]["fd"]["value"]
    assert again == pytest.approx(columns(run)["val/fd"][0], rel=1e-6)

    checkpoint, sounds = str(run / "checkpoints" / "last.ckpt"), tmp_path / "sounds"
    options = ["--checkpoint", checkpoint, "--output", str(sounds), "--device=cpu", "--steps=2"]
    assert main(["generate", str(picture), *options]) == 0
    assert json.loads((sounds / "generation.json").read_text())["steps"] == 2

    pipeline = V2APipeline.from_pretrained(checkpoint)
    pipeline.save_pretrained(tmp_path / "saved")
    ended = opened_elsewhere(tmp_path / "saved", picture, OMP_NUM_THREADS=str(torch.get_num_threads()))
    assert ended.returncode == 0, ended.stderr
    ours = pipeline(picture, seed=3).numpy()
    np.testing.assert_allclose(np.load(picture.with_name("sound.npy")), ours, atol=1e-5)


def examine_with(
    config: dict[str, Any], described: dict[str, Any], folder: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    config["evaluation"]["init_args"]["generator"] = described
    return examine(config, folder, capsys)


class Silence(Generator):
    """Two tokens of three numbers to nothing."""

    sample_rate = 8_000
    condition = Condition(tokens=2, width=3, normalized=False)

    def generate(self, condition: torch.Tensor, *, seconds: float, seeds: Any, **_: Any) -> torch.Tensor:
        return torch.zeros(len(self.checked(condition, seeds, seconds)), round(seconds * self.sample_rate))


def test_conditions_are_held_to_what_the_generator_takes() -> None:
    silence = Silence()
    assert silence.generate(torch.zeros(4, 2, 3), seconds=0.5, seeds=[1, 2, 3, 4]).shape == (4, 4_000)
    for wrong in (torch.zeros(4, 3), torch.zeros(4, 1, 3), torch.zeros(4, 2, 4)):
        with pytest.raises(ValueError, match=r"a condition has the shape \(B, 2, 3\), not"):
            silence.generate(wrong, seconds=0.5, seeds=[1, 2, 3, 4])
    with pytest.raises(ValueError, match="1 seeds for 4 conditions"):
        silence.generate(torch.zeros(4, 2, 3), seconds=0.5, seeds=[1])
    with pytest.raises(RunFailure, match="not finite"):
        silence.generate(torch.full((1, 2, 3), torch.nan), seconds=0.5, seeds=[1])
    with pytest.raises(UsageError, match="Silence does not compute targets; name an encoder that does"):
        silence.target(torch.zeros(1, 8_000), 8_000)
    assert silence.agreement(AudioLDM()) is None


def test_a_description_says_what_the_generator_is_by_now_and_no_secret() -> None:
    audioldm = AudioLDM("http://me:secret@127.0.0.1/audioldm.ckpt", steps=3, dtype="bfloat16")
    audioldm.guidance = 4.0
    arguments = audioldm.describe()["init_args"]
    assert (arguments["steps"], arguments["guidance"], arguments["dtype"]) == (3, 4.0, "bfloat16")
    assert arguments["checkpoint"] == "http://***@127.0.0.1/audioldm.ckpt"
    assert arguments["clap"] is None


def test_the_key_of_earlier_versions_names_the_new_one(
    tiny_config: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluation = tiny_config["evaluation"]["init_args"]
    evaluation["audioldm"] = evaluation.pop("generator")
    assert fit(write(tiny_config, tmp_path)) == 2
    (told,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert "there is no key evaluation.audioldm" in told
    assert "audioldm is called generator now" in told
    assert main(["generate", "a.png", "--checkpoint=b", "--audioldm=c"]) == 2
    assert "--audioldm=c; audioldm is called generator now" in capsys.readouterr().err
