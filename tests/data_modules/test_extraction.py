"""A clip's embedding is its own: neither what is left out nor what was embedded before changes a bit of it."""

import numpy as np
import pytest

from v2a_lightning.data_modules.clips import Clip
from v2a_lightning.data_modules.encoders import Encoders
from v2a_lightning.data_modules.extraction import Decoded, EmbedStage
from v2a_lightning.encoders import ClapEncoder, ClipEncoder
from v2a_lightning.encoders.base import SOLE
from v2a_lightning.media import DecodedClip
from v2a_lightning.specs import AudioSpec, FrameSpec

COUNT = 4


@pytest.fixture(scope="module")
def batch() -> Decoded:
    random = np.random.default_rng(0)
    frames = [random.integers(0, 256, (5, 32, 32, 3), dtype=np.uint8) for _ in range(COUNT)]
    waveforms = [random.standard_normal(40_960).astype(np.float32) / 10 for _ in range(COUNT)]
    return [
        (Clip(f"clip_{index}", "dog", "train"), DecodedClip(frames[index], waveforms[index])) for index in range(COUNT)
    ]


@pytest.mark.parametrize("places", [[0, 1, 2], [3, 1], [2]])
def test_an_embedding_depends_on_no_other_clip(batch: Decoded, places: list[int]) -> None:
    encoders = Encoders(ClipEncoder("miniature"), ClapEncoder("miniature"), FrameSpec(2, 2.56), AudioSpec(16_000, 2.56))
    embed = EmbedStage(encoders, COUNT)
    whole, fewer = embed(batch), embed([batch[place] for place in places])
    frames = [[(clip, parts[SOLE]) for clip, parts in one.frames] for one in (whole, fewer)]
    for of_all, of_some in (frames, (whole.audio, fewer.audio)):
        assert len(of_all) == COUNT
        assert [clip for clip, _ in of_some] == [batch[place][0] for place in places]
        for place, (_, row) in zip(places, of_some, strict=True):
            np.testing.assert_array_equal(row, of_all[place][1])
