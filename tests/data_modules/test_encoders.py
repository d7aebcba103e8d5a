"""Clips of all sizes go through the encoders; decoding processes may do CLIP's own resizing, and only that."""

import numpy as np
import torch

from v2a_lightning.data_modules.encoders import Encoders
from v2a_lightning.encoders.base import SOLE
from v2a_lightning.media import fit_picture
from v2a_lightning.specs import AudioSpec, FrameSpec

from .encoders import SmallClap, SmallClip, SquashingClip

RANDOM = np.random.default_rng(0)


def encoders(clip: SmallClip) -> Encoders:
    return Encoders(clip, SmallClap(), FrameSpec(1, 4), AudioSpec(16_000, 4))


def test_clips_of_several_sizes_keep_their_order() -> None:
    clips = [
        RANDOM.integers(0, 256, shape, dtype=np.uint8) for shape in [(2, 40, 50, 3), (3, 64, 36, 3), (1, 40, 50, 3)]
    ]
    parts = encoders(SmallClip()).embed_frames(clips)
    for part, clip in zip(parts, clips, strict=True):
        torch.testing.assert_close(part[SOLE], SmallClip().encode_frames(torch.from_numpy(clip)))


def test_resizing_ahead_changes_no_pixel() -> None:
    assert encoders(SmallClip()).picture_size() == 32
    frame = RANDOM.integers(0, 256, (123, 77, 3), dtype=np.uint8)
    clip = SmallClip()
    torch.testing.assert_close(
        clip.preprocess(torch.from_numpy(fit_picture(frame, 32)[None].copy())),
        clip.preprocess(torch.from_numpy(frame[None])),
        atol=0,
        rtol=0,
    )


def test_another_transform_gets_the_frames_as_they_are() -> None:
    assert encoders(SquashingClip()).picture_size() is None


def test_a_spec_tells_encoders_and_lengths_apart() -> None:
    usual = encoders(SmallClip()).spec()
    assert usual == encoders(SmallClip()).spec()
    assert usual.frames.digest != encoders(SmallClip(1)).spec().frames.digest
    longer = Encoders(SmallClip(), SmallClap(), FrameSpec(1, 5), AudioSpec(16_000, 4)).spec()
    assert (usual.frames.digest == longer.frames.digest, usual.audio == longer.audio) == (False, True)
    assert Encoders(SmallClip(), None, FrameSpec(), None).spec().audio is None
