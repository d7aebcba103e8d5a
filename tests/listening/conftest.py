"""Small videos, their sounds, and three systems' renderings of them."""

from pathlib import Path

import numpy as np
import pytest

from v2a_lightning.listening.building import Settings, build_test
from v2a_lightning.listening.key import Key
from v2a_lightning.listening.plan import Folders, find_folders
from v2a_lightning.media import write_clip, write_waveform

RATE = 16_000
SYSTEMS = ("quartz", "basalt", "pumice")
CLIPS = tuple(f"clip{index}_00000{index}" for index in range(5))
# Seconds and loudness differ among systems, as they do among real ones.
LENGTHS = {"quartz": 0.6, "basalt": 0.66, "pumice": 0.7, "reference": 0.8}


def sound(clip: int, noise: float, seconds: float) -> np.ndarray:
    """A clip's tone under noise."""
    time = np.arange(round(RATE * seconds)) / RATE
    tone = np.sin(2 * np.pi * (300 + 150 * clip) * time) * np.exp(-2 * time)
    hiss = np.random.default_rng(clip).standard_normal(len(time))
    return (0.3 * (tone + noise * hiss) / (1 + 2 * noise)).astype(np.float32)


def moving_square(clip: int) -> np.ndarray:
    """Frames (7, 48, 64, 3)."""
    frames = np.full((7, 48, 64, 3), 40, np.uint8)
    for index, frame in enumerate(frames):
        frame[10:30, 6 * index : 6 * index + 16] = (240, 40 * clip, 90)
    return frames


@pytest.fixture(scope="session")
def sounds_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a folder for each system, the reference and the media."""
    root = tmp_path_factory.mktemp("sounds")
    for place, clip in enumerate(CLIPS):
        for noise, (name, seconds) in enumerate(LENGTHS.items()):
            write_waveform(root / name / f"{clip}.wav", sound(place, noise % 3, seconds), RATE)
        write_clip(root / "media" / f"{clip}.mp4", moving_square(place), 10, sound(place, 0, 0.7), RATE)
    return root


def folders_of(root: Path, *systems: str) -> Folders:
    """The test's folders with some of the systems."""
    return find_folders([f"{name}={root / name}" for name in systems], root / "reference", root / "media")


def settings(**changes: object) -> Settings:
    """Settings of a small test."""
    usual = {
        "title": "Sounds & pictures </script>",
        "contact": "send it to nobody",
        "clips": 4,
        "anchors": 2,
        "seconds": None,
        "loudness": -23.0,
        "seed": 3,
    }
    return Settings(**(usual | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def built(sounds_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Key]:
    """A test of three systems in one file: the page, the key's file, the key."""
    output = tmp_path_factory.mktemp("built") / "page.html"
    return build_test(folders_of(sounds_folder, *SYSTEMS), settings(), output)
