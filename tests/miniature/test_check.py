"""What the miniature is measured by: each measure against an answer that is known, and the shipped models on a few."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.mapper.small import small_mapper
from v2a_lightning.encoders import ClapEncoder, ClipEncoder
from v2a_lightning.errors import UsageError
from v2a_lightning.generators import AudioLDM
from v2a_lightning.miniature import check
from v2a_lightning.miniature.check import Figure, markdown
from v2a_lightning.miniature.referee import accuracy, load_referee
from v2a_lightning.miniature.world.events import EVENT_NAMES
from v2a_lightning.miniature.world.sounds import synthesise


@pytest.fixture(scope="module")
def held_out() -> check.HeldOut:
    return check.HeldOut(per_event=1)


def test_held_out_clips_are_balanced_and_of_one_scene(held_out: check.HeldOut) -> None:
    assert [clip.event for clip in held_out.clips] == list(EVENT_NAMES)
    assert all(len(clip.scenes) == 1 and clip.split == "test" for clip in held_out.clips)


def test_pitch_of_a_tone_is_its_octave_above_50_hertz() -> None:
    time = torch.arange(16_000) / 16_000
    waveforms = torch.stack([torch.sin(2 * torch.pi * frequency * time) for frequency in (400.0, 1600.0)])
    assert check.mean_pitch(waveforms) == pytest.approx([3.0, 5.0], abs=0.05)


def test_size_is_heard_as_pitch_in_true_sounds_and_not_in_shuffled_ones() -> None:
    clips = check.HeldOut(per_event=6).clips
    waveforms = torch.from_numpy(np.stack([synthesise(clip).mean(0) for clip in clips]))
    assert check.size_as_pitch(clips, waveforms) > 0.75
    blind = [
        replace(clip, scenes=(replace(clip.scenes[0], size=float(np.random.default_rng(row).random())),))
        for row, clip in enumerate(clips)
    ]
    assert abs(check.size_as_pitch(blind, waveforms)) < 0.3


def test_a_goal_is_reached_or_missed_by_its_direction() -> None:
    assert Figure("f", 0.9, 0.9, "at least").reached
    assert not Figure("f", 0.2, 0.15, "at most").reached
    assert "**missed**" in markdown([Figure("f", 0.2, 0.15, "at most")], 28)


def test_the_shipped_models_hear_and_see(held_out: check.HeldOut) -> None:
    referee = load_referee()
    assert accuracy(referee, held_out.waveforms, held_out.events) >= 0.96
    assert check.sounds_named(ClapEncoder(), held_out.waveforms, held_out.events) >= 0.9
    assert check.pictures_named(ClipEncoder(), held_out.clips) >= 0.85


def test_the_shipped_audioldm_makes_what_clap_heard(held_out: check.HeldOut) -> None:
    audioldm, referee = AudioLDM(steps=6, sampler="dpm++"), load_referee()
    rebuilt = check.resynthesised(audioldm, held_out.waveforms)
    assert accuracy(referee, rebuilt, held_out.events) >= 0.85
    heard = ClapEncoder().encode_audio(held_out.waveforms, 16_000)
    made = audioldm.generate(heard, seconds=2.56, seeds=held_out.seeds())
    assert accuracy(referee, made, held_out.events) >= 0.75
    assert made.shape == held_out.waveforms.shape


def test_one_clip_of_an_event_is_too_few_to_rank() -> None:
    with pytest.raises(UsageError, match="--per_event is 1; give at least 2"):
        check.measure(small_mapper(), per_event=1, seed=0)
