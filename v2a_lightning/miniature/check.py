"""What the shipped miniature is measured by, on clips none of its models has seen: `miniature check`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata, spearmanr
from torch import Tensor
from torch.nn.functional import normalize

from v2a_lightning.encoders import ClapEncoder, ClipEncoder
from v2a_lightning.errors import UsageError
from v2a_lightning.generators import AudioLDM
from v2a_lightning.miniature.referee import accuracy, load_referee
from v2a_lightning.miniature.world.events import EVENT_NAMES, EVENTS
from v2a_lightning.miniature.world.pictures import frames_in_view, paint
from v2a_lightning.miniature.world.scenes import (
    DURATION,
    FRAMES_PER_SECOND,
    SAMPLE_RATE,
    ClipDescription,
    describe_clip,
    draw_hidden,
)
from v2a_lightning.miniature.world.sounds import synthesise
from v2a_lightning.module import V2AMapper
from v2a_lightning.randomness import generators
from v2a_lightning.specs import FrameSpec

FRAMES = FrameSpec(frames_per_second=4.0, duration=DURATION)
VARIANTS = 6  # sounds generated for one picture when their spread is measured
Direction = Literal["at least", "at most"]
PROMPTS = [f"{event.name} {event.verb}" for event in EVENTS]


@dataclass(frozen=True)
class Figure:
    """One measured figure and its goal."""

    name: str
    value: float
    goal: float
    direction: Direction = "at least"

    @property
    def reached(self) -> bool:
        """Whether the value is on the goal's right side."""
        return self.value >= self.goal if self.direction == "at least" else self.value <= self.goal


@dataclass(frozen=True)
class HeldOut:
    """Single-scene clips of the test split, equally many of every event; one of two scenes has two right answers."""

    per_event: int
    seed: int = 0

    @cached_property
    def clips(self) -> list[ClipDescription]:
        """The clips by event."""
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
    def waveforms(self) -> Tensor:
        """(N, samples) mono."""
        return torch.from_numpy(np.stack([synthesise(clip).mean(0) for clip in self.clips]))

    def frame_embeddings(self, encoder: ClipEncoder) -> Tensor:
        """(N, T, 512) CLIP embeddings of the frames `FRAMES` names."""
        numbers = [int(time * FRAMES_PER_SECOND) for time in FRAMES.times]
        return torch.stack([encoder.encode_frames(paint(clip)[numbers]) for clip in self.clips])

    def seeds(self, first: int = 0) -> list[int]:
        """One seed for each clip."""
        return [first + index for index in range(len(self.clips))]


@torch.inference_mode()
def measure(mapper: V2AMapper, per_event: int, seed: int) -> list[Figure]:
    """All figures, on 28 x `per_event` held-out clips; UsageError for one alone of an event, which has no rank."""
    if per_event < 2:
        raise UsageError(f"--per_event is {per_event}; give at least 2")
    held_out = HeldOut(per_event)
    clip, clap, audioldm, referee = ClipEncoder(), ClapEncoder(), AudioLDM(steps=25), load_referee()
    seeds, waveforms, frames = held_out.seeds(seed), held_out.waveforms, held_out.frame_embeddings(clip)

    def named(name: str, sounds: Tensor, goal: float, direction: Direction = "at least") -> Figure:
        return Figure(name, accuracy(referee, sounds, held_out.events), goal, direction)

    def generated(embeddings: Tensor) -> Tensor:
        return audioldm.generate(embeddings, seconds=DURATION, seeds=seeds)

    from_mapper = generated(mapper.sample(frames.float(), generator=generators(seeds)).flatten(1))
    from_truth = generated(clap.encode_audio(waveforms, SAMPLE_RATE))
    from_picture = generated(normalize(frames.mean(1), dim=-1))
    pitch = size_as_pitch(held_out.clips, from_mapper)
    return [
        named("true sound, named by the referee", waveforms, 0.98),
        named("through autoencoder and vocoder", resynthesised(audioldm, waveforms), 0.95),
        named("generated from true CLAP embeddings", from_truth, 0.90),
        named("generated through the quickstart's mapper", from_mapper, 0.75),
        named("generated from CLIP embeddings, no mapper", from_picture, 0.15, "at most"),
        Figure("CLIP names frames by caption", pictures_named(clip, held_out.clips), 0.90),
        Figure("CLAP names sounds by caption", sounds_named(clap, waveforms, held_out.events), 0.95),
        Figure("size heard as pitch, rank correlation", pitch, 0.6),
        *_spread_figures(mapper, clap, audioldm, held_out, frames, seed),
    ]


def _spread_figures(
    mapper: V2AMapper, clap: ClapEncoder, audioldm: AudioLDM, held_out: HeldOut, frames: Tensor, seed: int
) -> list[Figure]:
    """How much the sounds for one picture differ, generated against true, on one clip of each event."""
    chosen = list(range(0, len(held_out.clips), held_out.per_event))
    seeds = [seed + 10_000 + index for index in range(len(chosen) * VARIANTS)]
    repeated = frames[chosen].repeat_interleave(VARIANTS, 0)
    mapped = mapper.sample(repeated.float(), generator=generators(seeds)).flatten(1)
    waveforms = audioldm.generate(mapped, seconds=DURATION, seeds=seeds)
    generated = waveforms.unflatten(0, (len(chosen), VARIANTS))
    true = true_variants([held_out.clips[row] for row in chosen], VARIANTS, seed)
    ratio = spread(clap, generated) / spread(clap, true)
    different = float((generated[:, 0] - generated[:, 1]).abs().amax(-1).min())
    name = "spread of one picture's sounds, made over true"
    return [
        Figure("least difference between two seeds' waves", different, 1e-3),
        Figure(f"{name} (low side)", ratio, 0.5),
        Figure(f"{name} (high side)", ratio, 2.0, "at most"),
    ]


def markdown(measured: Sequence[Figure], clips: int) -> str:
    """The table as README.md shows it."""
    rows = [f"| figure, on {clips} held-out clips of the miniature | value | goal | |", "|---|---|---|---|"]
    for figure in measured:
        word = "reached" if figure.reached else "**missed**"
        rows.append(f"| {figure.name} | {figure.value:.3f} | {figure.direction} {figure.goal:g} | {word} |")
    return "\n".join(rows)


def resynthesised(model: AudioLDM, waveforms: Tensor, batch: int = 16) -> Tensor:
    """Waveforms (N, samples) through the autoencoder and the vocoder."""
    parts = [model.decode(model.encode(part)).cpu()[:, : waveforms.shape[1]] for part in waveforms.split(batch)]
    return torch.cat(parts)


def pictures_named(encoder: ClipEncoder, clips: Sequence[ClipDescription]) -> float:
    """Share of frames that show their object in which CLIP finds its event among all, by caption alone."""
    prompts = encoder.encode_text(PROMPTS)
    right = []
    for clip in clips:
        shown = frames_in_view(clip)[:3]
        named = (encoder.encode_frames(paint(clip)[shown]) @ prompts.T).argmax(-1)
        right.extend((named == EVENT_NAMES.index(clip.event)).tolist())
    return float(np.mean(right))


def sounds_named(encoder: ClapEncoder, waveforms: Tensor, events: Tensor) -> float:
    """Share of waveforms (N, samples) in which CLAP finds the event (N,) among all, by caption alone."""
    named = encoder.encode_audio(waveforms, SAMPLE_RATE) @ encoder.encode_text(PROMPTS).T
    return float((named.argmax(-1).cpu() == events).float().mean())


def size_as_pitch(clips: Sequence[ClipDescription], waveforms: Tensor) -> float:
    """Rank correlation, over the pitched events, between how small a thing is and how high its sound (N, samples) is.

    Both are ranked within their event first: a bird is higher than a cow at any size.
    """
    pitch = mean_pitch(waveforms)
    small, high = [], []
    for name in {clip.event for clip in clips if clip.scenes[0].kind.pitched}:
        rows = [row for row, clip in enumerate(clips) if clip.event == name]
        small.append(rankdata([-clips[row].scenes[0].size for row in rows]))
        high.append(rankdata(pitch[rows]))
    return float(spearmanr(np.concatenate(small), np.concatenate(high)).statistic)


def mean_pitch(waveforms: Tensor) -> NDArray[np.float32]:
    """(N,) where the power of waveforms (N, samples) lies from 50 Hz to 8 kHz: mean octave above 50 Hz."""
    spectrum = torch.stft(waveforms, 1024, 256, window=torch.hann_window(1024), return_complex=True)
    frequency = torch.linspace(0, SAMPLE_RATE / 2, 513)
    band = frequency >= 50
    power = spectrum.abs().square().mean(-1)[:, band]
    octaves: NDArray[np.float32] = ((power * (frequency[band] / 50).log2()).sum(1) / power.sum(1)).numpy()
    return octaves


def redrawn(clip: ClipDescription, random: np.random.Generator) -> ClipDescription:
    """The same picture with all that is only heard drawn anew."""
    return replace(clip, scenes=(replace(clip.scenes[0], **draw_hidden(random)),))


def true_variants(clips: Sequence[ClipDescription], count: int, seed: int) -> Tensor:
    """(len(clips), count, samples): sounds that are all right for the same picture."""
    random = np.random.default_rng(seed)
    sounds = [[synthesise(redrawn(clip, random)).mean(0) for _ in range(count)] for clip in clips]
    return torch.from_numpy(np.array(sounds))


def spread(encoder: ClapEncoder, variants: Tensor) -> float:
    """Mean cosine distance between the CLAP embeddings of a picture's variants (N, count, samples)."""
    embeddings = encoder.encode_audio(variants.flatten(0, 1), SAMPLE_RATE).cpu().unflatten(0, variants.shape[:2])
    cosines = normalize(embeddings, dim=-1) @ normalize(embeddings, dim=-1).transpose(1, 2)
    count = variants.shape[1]
    return float(1 - (cosines.sum((1, 2)) - count).mean() / (count * (count - 1)))
