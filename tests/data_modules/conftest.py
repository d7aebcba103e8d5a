"""A small VGGSound: 16 good clips and one of each kind of bad one."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from v2a_lightning.data_modules import Decoding, Splits, VGGSoundDataModule
from v2a_lightning.media import write_clip
from v2a_lightning.specs import AudioSpec, FrameSpec

from .encoders import SmallClap, SmallClip

FRAMES, AUDIO = FrameSpec(4, 2), AudioSpec(16_000, 2)
BAD = {"silentsilen": "silent", "muteclipmut": "no_audio", "brokenclips": "undecodable", "shortclipss": "short"}


@dataclass(frozen=True)
class SmallVGGSound:
    csv: Path
    media: Path


def write_good_clip(path: Path, number: int) -> None:
    """Two seconds of a square that moves at its own pace under a tone of its own pitch."""
    frames = np.full((16, 36, 48, 3), 20 * (number % 8), np.uint8)
    for step in range(16):
        left = (step * (1 + number % 3)) % 36
        frames[step, 10:22, left : left + 12] = (255, 30 * (number % 8), 90)
    waveform = 0.4 * np.sin(2 * np.pi * (200 + 150 * number) * np.arange(32_000) / 16_000)
    write_clip(path, frames, 8, waveform.astype(np.float32), 16_000)


@pytest.fixture(scope="session")
def vggsound(tmp_path_factory: pytest.TempPathFactory) -> SmallVGGSound:
    return write_vggsound(tmp_path_factory.mktemp("vggsound"))


def write_vggsound(root: Path) -> SmallVGGSound:
    media = root / "clips"
    names = [f"goodclip{number:03d}" for number in range(16)]
    for number, name in enumerate(names):
        write_good_clip(media / f"{name}_{number:06d}.mp4", number)
    frames = np.random.default_rng(0).integers(0, 255, (16, 36, 48, 3), dtype=np.uint8)
    write_clip(media / "silentsilen_000001.mp4", frames, 8, np.zeros(32_000, np.float32), 16_000)
    write_clip(media / "muteclipmut_000001.mp4", frames, 8, None)
    write_clip(media / "shortclipss_000001.mp4", frames[:4], 8, np.full(8_000, 0.1, np.float32), 16_000)
    (media / "brokenclips_000001.mp4").write_bytes(b"no clip" * 99)
    lines = [
        f'{name},{number},"class {number % 4}",{"train" if number < 12 else "test"}'
        for number, name in enumerate(names)
    ]
    lines += [f"{name},1,bad,{'train' if index % 2 else 'test'}" for index, name in enumerate([*BAD, "missingclip"])]
    lines += [lines[0]]
    csv = root / "vggsound.csv"
    csv.write_text("\n".join(lines) + "\n")
    return SmallVGGSound(csv, media)


@pytest.fixture
def make_data(vggsound: SmallVGGSound, tmp_path: Path) -> Callable[..., VGGSoundDataModule]:
    """make_data(**arguments): a VGGSoundDataModule over the small VGGSound, small encoders, a store of this test."""

    def make(**arguments: Any) -> VGGSoundDataModule:
        defaults: dict[str, Any] = {
            "csv": str(vggsound.csv),
            "media": str(vggsound.media),
            "store": str(tmp_path / "store"),
            "encoder": SmallClip(),
            "clap": SmallClap(),
            "frames": FRAMES,
            "audio": AUDIO,
            "batch_size": 4,
            "splits": Splits(validation_fraction=0.2),
            "decoding": Decoding(num_workers=1),
        }
        return VGGSoundDataModule(**{**defaults, **arguments})

    return make
