"""Mono is the true mean, at the right place in time, whatever the file's layout and rate."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from v2a_lightning.media import (
    MediaError,
    is_silent,
    probe,
    read_audio,
    read_waveform,
    resample,
    write_clip,
    write_waveform,
)
from v2a_lightning.specs import AudioSpec

from .conftest import numbered_frames, tone, write_sound


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_every_sample_rate(tmp_path: Path, rate: int) -> None:
    write_waveform(tmp_path / "wave.wav", tone(1.0, rate), rate)
    waveform = read_audio(tmp_path / "wave.wav", AudioSpec(16_000, 1.0))
    assert waveform.shape == (16_000,)
    assert waveform.dtype == np.float32
    np.testing.assert_allclose(waveform[200:-200], tone(1.0, 16_000)[200:-200], atol=2e-3)


def test_mono_is_the_mean_of_six_channels(tmp_path: Path) -> None:
    levels = np.array([0.6, 0.4, 0.2, 0.0, -0.3, 0.3], np.float32)
    write_sound(tmp_path / "video.mka", levels[:, None] * tone(1.0, 48_000), 48_000, "pcm_f32le", "5.1")
    assert probe(tmp_path / "video.mka").channels == 6
    waveform, rate = read_waveform(tmp_path / "video.mka")
    assert rate == 48_000
    np.testing.assert_allclose(waveform, levels.mean() * tone(1.0, 48_000), atol=1e-6)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_every_sample_format(tmp_path: Path, subtype: str) -> None:
    stereo = np.stack([tone(0.5, 16_000), np.zeros(8_000, np.float32)], 1)
    soundfile.write(tmp_path / "wave.wav", stereo, 16_000, subtype=subtype)
    waveform, _ = read_waveform(tmp_path / "wave.wav")
    np.testing.assert_allclose(waveform, 0.5 * tone(0.5, 16_000), atol=1e-2 if subtype == "PCM_U8" else 1e-4)


def test_a_start_is_exact_in_a_compressed_clip(clip: Path) -> None:
    part = read_audio(clip, AudioSpec(16_000, 0.5), start=1.2)
    np.testing.assert_array_equal(part, read_audio(clip, AudioSpec(16_000, 2.0))[19_200:27_200])


def test_sound_that_begins_after_the_picture_keeps_its_place(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", numbered_frames(16), 8, tone(1.0, 16_000), 16_000)
    with av.open(str(tmp_path / "clip.mp4")) as source, av.open(str(tmp_path / "late.mkv"), "w") as target:
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is None:
                continue
            late = round(0.5 / packet.time_base) if packet.stream.type == "audio" else 0
            packet.pts, packet.dts = packet.pts + late, packet.dts + late
            packet.stream = streams[packet.stream.index]
            target.mux(packet)
    waveform = read_audio(tmp_path / "late.mkv", AudioSpec(16_000, 1.5))
    assert np.abs(waveform[:7_900]).max() < 1e-3
    np.testing.assert_allclose(waveform[8_100:23_900], tone(1.0, 16_000)[100:15_900], atol=0.06)


def test_short_sound_is_refused_or_filled(tmp_path: Path) -> None:
    write_waveform(tmp_path / "wave.wav", tone(1.0, 16_000), 16_000)
    assert read_audio(tmp_path / "wave.wav", AudioSpec(16_000, 1.04)).shape == (16_640,)
    with pytest.raises(MediaError, match=r"1\.00 s of sound .* 2 s wanted"):
        read_audio(tmp_path / "wave.wav", AudioSpec(16_000, 2.0))
    filled = read_audio(tmp_path / "wave.wav", AudioSpec(16_000, 2.0), allow_short=True)
    assert filled.shape == (32_000,)
    assert not filled[16_000:].any()
    with pytest.raises(MediaError, match="short"):
        read_audio(tmp_path / "wave.wav", AudioSpec(16_000, 1.0), start=5.0, allow_short=True)


def test_what_cannot_be_heard_says_why(tmp_path: Path, make_clip: Callable[..., Path]) -> None:
    mute = make_clip("mute.mp4")
    (tmp_path / "broken.mp4").write_bytes(b"\0" * 2000)
    for path, reason in ((mute, "no_audio"), (tmp_path / "broken.mp4", "undecodable"), (tmp_path / "no", "missing")):
        with pytest.raises(MediaError) as caught:
            read_audio(path, AudioSpec())
        assert caught.value.reason == reason


def test_silence_is_below_60_decibels() -> None:
    assert is_silent(np.zeros(100, np.float32))
    assert is_silent(tone(0.1, 16_000, level=9e-4))
    assert not is_silent(tone(0.1, 16_000, level=2e-3))


def test_a_constant_offset_is_silent() -> None:
    offset = np.pad(np.full(16_000, 0.3, np.float32), (200, 300))
    assert is_silent(offset)
    assert not is_silent(offset + tone(1.03125, 16_000, level=2e-3))


def test_resampling_keeps_a_tone() -> None:
    np.testing.assert_allclose(
        resample(tone(1.0, 48_000), 48_000, 16_000)[100:-100], tone(1.0, 16_000)[100:-100], atol=1e-3
    )
    assert resample(tone(1.0, 16_000), 16_000, 16_000).shape == (16_000,)
