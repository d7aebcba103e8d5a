"""Spectrograms, sounds and frames inlined into a page."""

import base64
import io

import numpy as np
import pytest
import soundfile
from PIL import Image

from tests.reports.conftest import RATE, moving_square, tone
from v2a_lightning.reports.pages import log_mel, players, sound_uri, strip_uris


def content(uri: str) -> io.BytesIO:
    """What a data URI holds."""
    return io.BytesIO(base64.b64decode(uri.partition(",")[2]))


def test_a_sound_survives_the_page() -> None:
    waveform = tone(200, 900)
    read, rate = soundfile.read(content(sound_uri(waveform, RATE)), dtype="float32")
    assert rate == RATE
    assert np.abs(read - waveform).max() < 1e-4


def test_a_rising_tone_rises_in_its_spectrogram() -> None:
    mel = log_mel(tone(200, 6000), RATE)
    loudest = mel.argmax(0)
    quarter = len(loudest) // 4
    assert mel.shape[0] == 96
    assert loudest[quarter] < loudest[2 * quarter] < loudest[3 * quarter]


def test_low_tones_stand_at_the_bottom_and_quieter_sounds_look_quieter() -> None:
    sounds = players({"loud": tone(150, 150), "quiet": 0.05 * tone(150, 150)}, RATE)
    pixels = [np.asarray(Image.open(content(sound.picture)).convert("L"), float) for sound in sounds]
    assert pixels[0][-30:].mean() > pixels[0][:30].mean() + 20
    assert pixels[0].mean() > pixels[1].mean() + 3


@pytest.mark.parametrize("samples", [0, 500])
def test_hardly_any_sound_still_has_a_picture(samples: int) -> None:
    assert log_mel(np.zeros(samples, np.float32), RATE).shape[0] == 96


def test_a_strip_spreads_over_the_clip() -> None:
    strip = strip_uris(moving_square(0), count=4, height=32)
    pictures = [np.asarray(Image.open(content(uri))).astype(int) for uri in strip]
    assert [picture.shape for picture in pictures] == [(32, 32, 3)] * 4
    columns = [picture[16, :, 0].argmax() for picture in pictures]
    assert columns == sorted(columns)
    assert columns[0] < columns[-1]


def test_a_picture_is_one_frame() -> None:
    assert len(strip_uris(moving_square(0)[:1])) == 1
