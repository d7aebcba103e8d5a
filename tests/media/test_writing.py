"""Clips and waves come back as they were written."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from v2a_lightning.errors import UsageError
from v2a_lightning.media import MediaError, read_audio, read_frames, replace_audio, write_clip, write_wave
from v2a_lightning.specs import AudioSpec, FrameSpec

from .conftest import numbered_frames, numbers_of, tone


def test_a_clip_keeps_its_frames_and_its_sound(clip: Path) -> None:
    assert numbers_of(read_frames(clip, FrameSpec(8, 2))) == list(range(16))
    expected = 0.75 * tone(2.0, 16_000)
    np.testing.assert_allclose(read_audio(clip, AudioSpec(16_000, 2.0)), expected, atol=0.02)


def test_odd_sizes_are_made_even(make_clip: Callable[..., Path]) -> None:
    frames = read_frames(make_clip(frames=numbered_frames(4, 33, 47)), FrameSpec(8, 0.5))
    assert frames.shape == (4, 34, 48, 3)


def test_a_clip_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="44056"):
        write_clip(tmp_path / "clip.mp4", numbered_frames(2), 8, tone(0.2, 44_056), 44_056)
    with pytest.raises(ValueError, match="uint8"):
        write_clip(tmp_path / "clip.mp4", numbered_frames(2).astype(np.float32), 8, None)
    assert list(tmp_path.iterdir()) == []


def test_a_wave_is_24_bit_pcm_and_clipped(tmp_path: Path) -> None:
    write_wave(tmp_path / "wave.wav", np.array([0.5, 2.0, -3.0], np.float32), 16_000)
    info = soundfile.info(tmp_path / "wave.wav")
    assert (info.subtype, info.samplerate, info.channels) == ("PCM_24", 16_000, 1)
    wave, _ = soundfile.read(tmp_path / "wave.wav")
    np.testing.assert_allclose(wave, [0.5, 1.0, -1.0], atol=1e-4)


def test_new_sound_leaves_the_picture_untouched(clip: Path, tmp_path: Path) -> None:
    new = tone(2.0, 22_050, frequency=1000, level=0.3)
    replace_audio(clip, new, 22_050, tmp_path / "new.mp4")
    assert _picture_packets(tmp_path / "new.mp4") == _picture_packets(clip)
    np.testing.assert_allclose(read_audio(tmp_path / "new.mp4", AudioSpec(22_050, 2.0)), new, atol=0.02)


def test_new_sound_needs_a_picture_and_a_container_that_holds_it(clip: Path, tmp_path: Path) -> None:
    write_wave(tmp_path / "wave.wav", tone(1.0, 16_000), 16_000)
    with pytest.raises(MediaError, match="no_video"):
        replace_audio(tmp_path / "wave.wav", tone(1.0, 16_000), 16_000, tmp_path / "new.mp4")
    with pytest.raises(UsageError, match=r"\.webm"):
        replace_audio(clip, tone(1.0, 48_000), 48_000, tmp_path / "new.webm")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["wave.wav"]


def _picture_packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]
