"""What the miniature is measured by, on clips none of its models has seen: recognition, and what carries over from
picture to sound."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from scipy.stats import rankdata, spearmanr
from torch import Tensor
from torch.nn.functional import normalize

from v2a_lightning.encoders import ClapEncoder, ClipEncoder
from v2a_lightning.generators import AudioLDM
from v2a_lightning.miniature.world.events import EVENT_NAMES, EVENTS
from v2a_lightning.miniature.world.pictures import frames_in_view, paint
from v2a_lightning.miniature.world.scenes import (
    DURATION,
    FRAMES_PER_SECOND,
    SAMPLE_RATE,
    ClipDescription,
    describe_clip,
)
from v2a_lightning.miniature.world.sounds import synthesise
from v2a_lightning.specs import FrameSpec

FRAMES = FrameSpec(frames_per_second=4.0, duration=DURATION)


@dataclass(frozen=True)
class HeldOut:
    """Single-scene clips of the test split, equally many of every event.

    A clip of two scenes has two right answers, so the referee is not asked about those.
    """

    per_event: int
    seed: int = 0

    @cached_property
    def clips(self) -> list[ClipDescription]:
        found: dict[str, list[ClipDescription]] = {name: [] for name in EVENT_NAMES}
        index = 0
        while any(len(clips) < self.per_event for clips in found.values()):
            clip = describe_clip(self.seed, "test", index)
            if len(clip.scenes) == 1 and len(found[clip.event]) < self.per_event:
                found[clip.event].append(clip)
            index += 1
        return [clip for clips in found.values() for clip in clips]

    @cached_property
    def events(self) -> Tensor:
        """(N,) index of each clip's event."""
        return torch.tensor([EVENT_NAMES.index(clip.event) for clip in self.clips])

    @cached_property
    def waves(self) -> Tensor:
        """(N, samples) mono."""
        return torch.from_numpy(np.stack([synthesise(clip).mean(0) for clip in self.clips]))

    def frame_embeddings(self, encoder: ClipEncoder) -> Tensor:
        """(N, T, 512) CLIP embeddings of the frames `FRAMES` names."""
        numbers = [int(time * FRAMES_PER_SECOND) for time in FRAMES.times]
        return torch.stack([encoder.encode_frames(paint(clip)[numbers]) for clip in self.clips])

    def seeds(self, first: int = 0) -> list[int]:
        return [first + index for index in range(len(self.clips))]


def resynthesised(model: AudioLDM, waves: Tensor, batch: int = 16) -> Tensor:
    """Waves (N, samples) through the autoencoder and the vocoder."""
    return torch.cat([model.decode(model.encode(part)).cpu()[:, : waves.shape[1]] for part in waves.split(batch)])


def pictures_named(encoder: ClipEncoder, clips: Sequence[ClipDescription]) -> float:
    """Share of frames that show their object in which CLIP finds its event among all, by caption alone."""
    prompts = encoder.encode_text([f"{event.name} {event.verb}" for event in EVENTS])
    right = []
    for clip in clips:
        shown = frames_in_view(clip)[:3]
        named = (encoder.encode_frames(paint(clip)[shown]) @ prompts.T).argmax(-1)
        right.extend((named == EVENT_NAMES.index(clip.event)).tolist())
    return float(np.mean(right))


def sounds_named(encoder: ClapEncoder, waves: Tensor, events: Tensor) -> float:
    """Share of waves in which CLAP finds the event among all, by caption alone."""
    prompts = encoder.encode_text([f"{event.name} {event.verb}" for event in EVENTS])
    heard = encoder.encode_audio(waves, SAMPLE_RATE)
    return float(((heard @ prompts.T).argmax(-1).cpu() == events).float().mean())


def size_heard_as_pitch(clips: Sequence[ClipDescription], waves: Tensor) -> float:
    """Rank correlation, over the pitched events, between how small a thing is and how high it sounds.

    Both are ranked within their event first: a bird is higher than a cow at any size.
    """
    pitch = heard_pitch(waves)
    small, high = [], []
    for name in {clip.event for clip in clips if clip.scenes[0].kind.pitched}:
        rows = [row for row, clip in enumerate(clips) if clip.event == name]
        small.append(rankdata([-clips[row].scenes[0].size for row in rows]))
        high.append(rankdata(pitch[rows]))
    return float(spearmanr(np.concatenate(small), np.concatenate(high)).statistic)


def heard_pitch(waves: Tensor) -> np.ndarray:
    """(N,) where the power of each wave (N, samples) lies between 50 Hz and 8 kHz: mean octave above 50 Hz."""
    spectrum = torch.stft(waves, 1024, 256, window=torch.hann_window(1024), return_complex=True)
    frequency = torch.linspace(0, SAMPLE_RATE / 2, 513)
    band = frequency >= 50
    power = spectrum.abs().square().mean(-1)[:, band]
    return ((power * (frequency[band] / 50).log2()).sum(1) / power.sum(1)).numpy()


def redrawn(clip: ClipDescription, random: np.random.Generator) -> ClipDescription:
    """The same picture with all that is only heard drawn anew."""
    scene = replace(
        clip.scenes[0],
        timbre=float(random.random()),
        room=float(random.random()),
        onset=float(random.random()),
        level=float(random.uniform(-20, -8)),
        seed=int(random.integers(0, 2**31)),
    )
    return replace(clip, scenes=(scene,))


def true_variants(clips: Sequence[ClipDescription], count: int, seed: int) -> Tensor:
    """(len(clips), count, samples): sounds that are all right for the same picture."""
    random = np.random.default_rng(seed)
    waves = [[synthesise(redrawn(clip, random)).mean(0) for _ in range(count)] for clip in clips]
    return torch.from_numpy(np.array(waves))


def spread(encoder: ClapEncoder, variants: Tensor) -> float:
    """Mean cosine distance between the CLAP embeddings of a picture's variants (N, count, samples)."""
    embeddings = encoder.encode_audio(variants.flatten(0, 1), SAMPLE_RATE).cpu().unflatten(0, variants.shape[:2])
    cosines = normalize(embeddings, dim=-1) @ normalize(embeddings, dim=-1).transpose(1, 2)
    count = variants.shape[1]
    return float(1 - (cosines.sum((1, 2)) - count).mean() / (count * (count - 1)))
