"""The paper's run with full-size weights in the published layouts: every step, on real clips, within 20 GB.

The weights are random, so the sounds and scores mean nothing; what is proven is that only their values are missing.
With V2A_FIGURES=1 the time and memory of each step are written into docs/COSTS.md.
"""

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import yaml

from tests.full import checkpoints, published
from tests.full.measuring import COSTS, ROOT, Measured, run, table
from v2a_lightning.checkpoints.weights import read_weights
from v2a_lightning.generators import AudioLDM
from v2a_lightning.generators.audioldm_conversion import unet_of
from v2a_lightning.media import write_clip
from v2a_lightning.reports.tables import write_section

pytestmark = [pytest.mark.full, pytest.mark.timeout(7200)]

MEMORY_LIMIT = 20e9
TRAIN, TEST = 6, 3
MAIN = ["-m", "v2a_lightning"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return checkpoints.write_all(tmp_path_factory.mktemp("mirror"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ten-second clips as VGGSound names them, and its csv."""
    folder = tmp_path_factory.mktemp("place")
    random = np.random.default_rng(0)
    rows = []
    for index in range(TRAIN + TEST):
        split = "train" if index < TRAIN else "test"
        rows.append([f"clip{index:07d}", 10 * index, "dog barking", split])
        write_moving_clip(folder / "clips" / f"clip{index:07d}_{10 * index:06d}.mp4", random)
    with open(folder / "vggsound.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder


def write_moving_clip(path: Path, random: np.random.Generator) -> None:
    """Ten seconds of a bright bar that crosses a picture, and of a tone in noise."""
    path.parent.mkdir(exist_ok=True)
    frames = random.integers(0, 80, (1, 240, 320, 3), dtype=np.uint8).repeat(250, 0)
    for index, frame in enumerate(frames):
        frame[:, index : index + 40] = random.integers(150, 255, 3)
    time = np.arange(441_000) / 44_100
    tone = 0.3 * np.sin(2 * np.pi * random.uniform(200, 2000) * time)
    stereo = tone[:, None] + 0.05 * random.standard_normal((441_000, 2))
    write_clip(path, frames, 25, stereo.astype(np.float32), 44_100)


@pytest.fixture(scope="module")
def config(files: dict[str, Path], place: Path) -> list[str]:
    """experiments/v2a_mapper.yaml, and beside it only where things are and how little of each is done."""

    def model(name: str, **arguments: Any) -> dict[str, Any]:
        room = "generators" if name == "AudioLDM" else "encoders"
        return {"class_path": f"v2a_lightning.{room}.{name}", "init_args": arguments}

    local = {
        "run": {"root": str(place / "runs"), "name": "full", "wandb": "disabled"},
        "data": {
            "class_path": "v2a_lightning.data_modules.VGGSoundDataModule",
            "init_args": {
                "csv": str(place / "vggsound.csv"),
                "media": str(place / "clips"),
                "store": str(place / "store"),
                "encoder": model("ClipEncoder", checkpoint=str(files["clip"])),
                "batch_size": 1,
                "splits": {"validation_clips": 2},
                "decoding": {"num_workers": 1},
            },
        },
        "evaluation": {
            "class_path": "v2a_lightning.callbacks.AudioEvaluation",
            "init_args": {
                "generator": model(
                    # A processor has no units for the config's bfloat16.
                    "AudioLDM",
                    checkpoint="audioldm-s-full-v2",
                    steps=2,
                    eta=1.0,
                    batch_size=1,
                    dtype="float32",
                ),
                "suite": {
                    "class_path": "v2a_lightning.evaluation.EvaluationSuite",
                    "init_args": {
                        "tagger": str(files["cnn14"]),
                        "vggish": str(files["vggish"]),
                        "wav2clip": str(files["wav2clip"]),
                    },
                },
                "clips": 2,
                "every_n_epochs": 1,
            },
        },
        "trainer": {
            "accelerator": "cpu",
            "devices": 2,
            "max_epochs": 1,
            "max_steps": 2,
            "enable_progress_bar": False,
        },
    }
    path = place / "local.yaml"
    path.write_text(yaml.safe_dump(local))
    return [str(ROOT / "experiments" / "v2a_mapper.yaml"), str(path)]


@pytest.fixture(scope="module")
def variables(files: dict[str, Path], place: Path) -> dict[str, str]:
    return {"V2A_MIRROR": str(files["audioldm"].parent), "V2A_CACHE": str(place / "cache")}


def test_every_step_of_the_papers_run(
    config: list[str], files: dict[str, Path], place: Path, variables: dict[str, str]
) -> None:
    settings = [word for path in config for word in ("--config", path)]
    steps: list[Measured] = []

    def step(name: str, *arguments: str, codes: tuple[int, ...] = (0,)) -> str:
        steps.append(run(name, [*MAIN, *arguments], place, **variables))
        assert steps[-1].code in codes, steps[-1].output[-4000:]
        return steps[-1].output

    found = step("doctor, with the conversion of AudioLDM", "doctor", *settings, codes=(0, 3))
    assert "error " not in found
    assert "512 wide, 16000 Hz, 4/8/12/20 attention heads" in found
    assert "512 wide, 224 px, 49408 tokens" in found
    assert "is the one the generator was trained with" in found

    step(f"embed, {TRAIN + TEST} clips, 2 processes", "embed", *settings, "--devices", "2", "--accelerator", "cpu")
    step("fit, 2 steps and a validation, 2 processes", "fit", *settings)
    checkpoint = next((place / "runs").rglob("last.ckpt"))
    inputs = [str(path) for path in sorted((place / "clips").iterdir())[-TEST:]]
    sound = ["--checkpoint", str(checkpoint), "--output", "sounds", "--steps", "2", "--device", "cpu"]
    step(f"generate, {TEST} clips, 2 steps of AudioLDM", "generate", *inputs, *sound)
    evaluators = [word for name in ("vggish", "wav2clip", "clip") for word in (f"--{name}", str(files[name]))]
    evaluated = ["--generated", "sounds", "--reference", "clips", "--media", "clips", "--tagger", str(files["cnn14"])]
    options = [*evaluators, "--device", "cpu", "--resamples", "0", "--output", "scores.json"]
    step(f"evaluate, {TEST} clips", "evaluate", *evaluated, *options)

    write_figures(steps)
    check_run(place, checkpoint)
    assert max(one.peak_bytes for one in steps) < MEMORY_LIMIT, table(steps)


def check_run(place: Path, checkpoint: Path) -> None:
    """What the commands have left behind."""
    weights = torch.load(checkpoint, weights_only=False, map_location="cpu")["state_dict"]
    assert sum(tensor.numel() for tensor in weights.values()) == pytest.approx(48.83e6, rel=0.01)
    metrics = (checkpoint.parents[1] / "metrics.csv").read_text()
    assert all(name in metrics for name in ("val/fd", "val/fad", "val/kl", "val/cs", "train/loss"))
    waveforms = sorted((place / "sounds").glob("*.wav"))
    assert len(waveforms) == TEST
    for path in waveforms:
        waveform, rate = soundfile.read(path)
        assert (len(waveform), rate) == (160_000, 16_000)
        assert np.abs(waveform).max() > 0
    scores = json.dumps(json.loads((place / "scores.json").read_text()))
    assert "fd" in scores
    assert "NaN" not in scores


def write_figures(steps: list[Measured]) -> None:
    """Keep the table, if that was asked for."""
    text = (
        f"Measured on {os.cpu_count()} processors, random weights of full size, ten-second clips.\n\n{table(steps)}\n"
    )
    print(text)
    if os.environ.get("V2A_FIGURES"):
        write_section("measured", text, COSTS)


def test_the_unet_has_the_published_size_and_the_originals_heads(files: dict[str, Path]) -> None:
    unet = unet_of(read_weights(files["audioldm"]), files["audioldm"])
    assert sum(parameter.numel() for parameter in unet.parameters()) == 185_036_552
    assert list(unet.config.attention_head_dim) == [4, 8, 12, 20]
    expected = published.audioldm_unet().eval()
    expected.load_state_dict(unet.state_dict())
    latents, condition = torch.randn(1, 8, 32, 16), torch.randn(1, 512)
    with torch.no_grad():
        outputs = [one(latents, 500, None, class_labels=condition).sample for one in (unet, expected)]
    torch.testing.assert_close(outputs[0], outputs[1], atol=1e-5, rtol=0)


def test_a_published_folder_with_corrected_heads_is_the_converted_checkpoint(
    files: dict[str, Path], tmp_path: Path
) -> None:
    """The published folder is a `.bin` of the same tensors and says 8 heads throughout."""
    unet = unet_of(read_weights(files["audioldm"]), files["audioldm"])
    folder = tmp_path / "audioldm"
    unet.save_pretrained(folder / "unet", safe_serialization=False)
    said = json.loads((folder / "unet" / "config.json").read_text()) | {"attention_head_dim": 8}
    (folder / "unet" / "config.json").write_text(json.dumps(said))
    published.audioldm_vae().save_pretrained(folder / "vae", safe_serialization=False)
    published.audioldm_vocoder().save_pretrained(folder / "vocoder")
    from safetensors.torch import save_file

    from v2a_lightning.generators.diffusion_folder import build_scheduler

    build_scheduler().save_pretrained(folder / "scheduler")
    save_file({"embedding": torch.randn(512)}, folder / "unconditional.safetensors")
    corrected = AudioLDM(str(folder), head_counts=[4, 8, 12, 20]).load()
    with pytest.warns(UserWarning, match=r"head_counts=\[4, 8, 12, 20\]"):
        as_published = AudioLDM(str(folder)).load()
    latents, condition = torch.randn(1, 8, 32, 16), torch.randn(1, 512)
    with torch.no_grad():
        expected = unet(latents, 500, None, class_labels=condition).sample
        right = corrected._part("unet")(latents, 500, None, class_labels=condition).sample
        wrong = as_published._part("unet")(latents, 500, None, class_labels=condition).sample
    torch.testing.assert_close(right, expected, atol=1e-5, rtol=0)
    assert (wrong - expected).abs().max() > 1e-4
