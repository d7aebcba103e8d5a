"""Pictures and sounds are those of `WORLD_VERSION`.

Whoever changes them raises the version, writes the record anew by `python -m tests.miniature.test_version`, and trains
the small models again: weights that learned from other pictures than those one renders cannot be made a second time.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from v2a_lightning.miniature.world.pictures import paint
from v2a_lightning.miniature.world.scenes import SPLITS, WORLD_VERSION, describe_clip
from v2a_lightning.miniature.world.sounds import synthesise

RECORD = Path(__file__).parent / "world_version.npz"
CLIPS = 16
FRAMES = [0, 7, 12, 19]
BLOCK = 12
BANDS, PARTS = 16, 8
# Libraries of another version may round otherwise; what one sees or hears does not fit in here.
PICTURE_TOLERANCE, SOUND_TOLERANCE = 2.0, 0.05


def seen() -> NDArray[np.uint8]:
    """Thumbnails of a few frames of the first clips of each split."""
    frames = np.stack([paint(describe_clip(0, split, index))[FRAMES] for split in SPLITS for index in range(CLIPS)])
    size = frames.shape[2] // BLOCK
    blocks = frames.reshape(len(frames), len(FRAMES), size, BLOCK, size, BLOCK, 3)
    return blocks.mean((3, 5)).round().astype(np.uint8)


def heard() -> NDArray[np.float32]:
    """Decades of power by time and frequency band, of the same clips."""
    waves = [synthesise(describe_clip(0, split, index)).mean(0) for split in SPLITS for index in range(CLIPS)]
    wave = torch.from_numpy(np.stack(waves)).float()
    spectrum = torch.stft(wave, 1024, 256, window=torch.hann_window(1024), return_complex=True).abs().square()
    grid = torch.nn.functional.adaptive_avg_pool2d(spectrum[:, None], (BANDS, PARTS))[:, 0]
    return (grid + 1e-4).log10().numpy()


def test_pictures_and_sounds_are_those_of_the_version() -> None:
    record = np.load(RECORD)
    advice = "raise WORLD_VERSION, then python -m tests.miniature.test_version"
    assert record["version"] == WORLD_VERSION, advice
    assert np.abs(record["seen"].astype(float) - seen()).max() <= PICTURE_TOLERANCE, advice
    assert np.abs(record["heard"] - heard()).max() <= SOUND_TOLERANCE, advice


if __name__ == "__main__":
    np.savez_compressed(RECORD, version=WORLD_VERSION, seen=seen(), heard=heard().astype(np.float16))
