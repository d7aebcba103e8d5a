"""A clip is decoded, or refused for one reason."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from v2a_lightning.media import ClipRequest, MediaError, decode_clip, probe
from v2a_lightning.specs import AudioSpec, FrameSpec

from .conftest import numbered_frames, tone

FRAMES, AUDIO = FrameSpec(4, 2), AudioSpec(16_000, 2)


def test_only_what_is_asked_for_is_decoded(clip: Path) -> None:
    both = decode_clip(ClipRequest(clip, FRAMES, AUDIO))
    assert both.frames is not None
    assert both.waveform is not None
    assert (both.frames.shape, both.waveform.shape) == ((8, 48, 64, 3), (32_000,))
    assert decode_clip(ClipRequest(clip, FRAMES)).waveform is None
    assert decode_clip(ClipRequest(clip, audio=AUDIO)).frames is None


def test_a_clip_that_teaches_nothing_is_refused(make_clip: Callable[..., Path]) -> None:
    silence, sound = np.zeros(32_000, np.float32), tone(2.0, 16_000)
    still = make_clip("still.mp4", frames=np.repeat(numbered_frames(1), 16, 0), waveform=sound)
    requests = {
        "silent": ClipRequest(make_clip("silent.mp4", waveform=silence), FRAMES, AUDIO),
        "no_audio": ClipRequest(make_clip("mute.mp4"), FRAMES, AUDIO),
        "short": ClipRequest(make_clip("short.mp4", frames=numbered_frames(5), waveform=sound), FRAMES, AUDIO),
        "still": ClipRequest(still, FRAMES, AUDIO, keep_still=False),
    }
    for reason, request in requests.items():
        with pytest.raises(MediaError) as caught:
            decode_clip(request)
        assert (caught.value.reason, caught.value.path) == (reason, request.path)
    assert decode_clip(ClipRequest(still, FRAMES, AUDIO)).frames is not None


def test_headers_say_what_a_clip_holds(clip: Path) -> None:
    info = probe(clip)
    assert (info.width, info.height, info.frames_per_second) == (64, 48, 8.0)
    assert (info.sample_rate, info.channels) == (16_000, 2)
    assert info.duration == pytest.approx(2.0, abs=0.05)
