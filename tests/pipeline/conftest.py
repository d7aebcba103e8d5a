"""A pipeline that never was trained, and what it is given."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from v2a_lightning.encoders import ClipEncoder
from v2a_lightning.generators import AudioLDM
from v2a_lightning.mapper import AverageFrames, Diffusion, TransformerMapper
from v2a_lightning.media import write_clip
from v2a_lightning.module import V2AMapper
from v2a_lightning.pipeline import V2APipeline
from v2a_lightning.specs import FrameSpec

RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def pipeline(random_weights: Path) -> V2APipeline:
    """A pipeline that never was trained."""
    torch.manual_seed(0)
    network = TransformerMapper(depth=1, heads=2, dim_head=32, ff_mult=1)
    torch.nn.init.normal_(network.trunk.projection.weight, std=0.05)
    mapper = V2AMapper(network, Diffusion(), AverageFrames(), sampling_steps=2)
    audioldm = AudioLDM(str(random_weights / "audioldm"), steps=1, guidance=1.0)
    return V2APipeline(ClipEncoder(str(random_weights / "clip")), mapper, audioldm, FrameSpec(4, 0.64))


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture, a clip of 0.64 s and one of 1.5 s without sound."""
    folder = tmp_path_factory.mktemp("media")
    frames = RANDOM.integers(0, 255, (12, 96, 96, 3), np.uint8)
    Image.fromarray(frames[0]).save(folder / "still.png")
    write_clip(folder / "short.mp4", frames[:5], 8, RANDOM.standard_normal(10_240).astype(np.float32) * 0.1)
    write_clip(folder / "long.mp4", frames, 8, None)
    return folder
