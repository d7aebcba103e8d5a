"""Generation: AudioLDM-S against diffusers' own pipeline, and the steps that sounds of the same quality take."""

import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from experiments.benchmarks.speed.measuring import Row, alternate, measured_process, times_faster
from v2a_lightning.checkpoints.weights import without_values
from v2a_lightning.encoders import ClapEncoder, ClipEncoder
from v2a_lightning.evaluation.suite import EvaluationSuite
from v2a_lightning.generators import AudioLDM
from v2a_lightning.generators.diffusion_folder import build_scheduler, save_audioldm
from v2a_lightning.generators.latent_diffusion import Sampler
from v2a_lightning.miniature.check import HeldOut
from v2a_lightning.miniature.models import build_unet, build_vae, build_vocoder
from v2a_lightning.miniature.referee import accuracy, load_referee
from v2a_lightning.miniature.world.scenes import DURATION
from v2a_lightning.miniature.world.sounds.kit import SAMPLE_RATE

STEPS, GUIDANCE, SECONDS = 2, 2.5, 10.0
REFERENCE: tuple[Sampler, int] = ("ddim", 200)
TRIED = (8, 10, 12, 15, 20, 25)
# Two draws of noise differ by more: by 4 % in FD on 192 clips, and by 4 % in CS.
FD_TOLERANCE, CS_TOLERANCE = 0.02, 0.005


def rows(quick: bool) -> Iterator[Row]:
    """The rows of this topic."""
    with tempfile.TemporaryDirectory() as folder:
        write_audioldm(Path(folder), quick)
        yield speed(folder, DURATION if quick else SECONDS, rounds=1 if quick else 2)
        if not quick:
            yield memory(folder, SECONDS)
    yield from equal_quality(per_event=1, events=4 if quick else None, reference=2 if quick else REFERENCE[1])


def write_audioldm(folder: Path, reduced: bool) -> None:
    """AudioLDM-S with random weights, as it is published: with a text tower, which diffusers' pipeline is made of."""
    from transformers import ClapTextConfig, ClapTextModelWithProjection

    torch.manual_seed(0)
    parts = (build_unet(), build_vae(), build_vocoder()) if reduced else _published_parts()
    save_audioldm(*parts, build_scheduler(), torch.randn(512), folder)
    small = {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 64}
    ClapTextModelWithProjection(ClapTextConfig(**small if reduced else {})).save_pretrained(folder / "text_encoder")


def _published_parts() -> tuple[Any, Any, Any]:
    from tests.full import published

    with without_values():
        parts = published.audioldm_unet(), published.audioldm_vae(), published.audioldm_vocoder()
    for part in parts:
        for parameter in part.parameters():
            torch.nn.init.normal_(parameter, std=0.02)
    return parts


def ours(folder: str) -> AudioLDM:
    """This project's generator."""
    return AudioLDM(folder, steps=STEPS, guidance=GUIDANCE).load()


def theirs(folder: str) -> Any:
    """diffusers' pipeline."""
    from diffusers import AudioLDMPipeline
    from transformers import ClapTextModelWithProjection

    tower = ClapTextModelWithProjection.from_pretrained(f"{folder}/text_encoder")
    pipeline = AudioLDMPipeline.from_pretrained(folder, text_encoder=tower, tokenizer=None, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def generate_ours(generator: AudioLDM, seconds: float) -> Tensor:
    """One sound."""
    return generator.generate(torch.ones(1, 512), seconds=seconds, seeds=[0])


def generate_theirs(pipeline: Any, seconds: float) -> Tensor:
    """One sound."""
    embedding = torch.nn.functional.normalize(torch.ones(1, 512))
    waveforms: Tensor = pipeline(
        prompt_embeds=embedding,
        negative_prompt_embeds=embedding,
        audio_length_in_s=seconds,
        num_inference_steps=STEPS,
        guidance_scale=GUIDANCE,
        generator=torch.Generator().manual_seed(0),
        output_type="pt",
    ).audios
    return waveforms


def speed(folder: str, seconds: float, rounds: int) -> Row:
    """Guided steps, autoencoder and vocoder."""
    generator, pipeline = ours(folder), theirs(folder)
    calls = {"ours": partial(generate_ours, generator, seconds), "theirs": partial(generate_theirs, pipeline, seconds)}
    timings = alternate(calls, rounds)
    what = f"AudioLDM-S, {seconds:g} s of sound, {STEPS} guided steps, float32"
    return times_faster(what, "diffusers' AudioLDMPipeline", timings["ours"], timings["theirs"], 1.0)


def memory(folder: str, seconds: float) -> Row:
    """The largest resident set of a process that opens the folder and makes one sound."""
    own = measured_process(partial(run_ours, folder, seconds))
    other = measured_process(partial(run_theirs, folder, seconds))
    value = own.peak_rss / other.peak_rss
    note = f"whole processes, {own.peak_rss / 1e9:.2f} and {other.peak_rss / 1e9:.2f} GB"
    what = f"AudioLDM-S, peak memory of one sound of {seconds:g} s"
    return Row(what, "diffusers' AudioLDMPipeline", value, "x", 0.75, "lower", 1, (value, value), note)


def run_ours(folder: str, seconds: float) -> None:
    """Open and generate."""
    generate_ours(ours(folder), seconds)


def run_theirs(folder: str, seconds: float) -> None:
    """Open and generate."""
    generate_theirs(theirs(folder), seconds)


@dataclass(frozen=True)
class Quality:
    """The miniature's held-out clips: sounds of their true CLAP embeddings, held against picture and true sound."""

    held_out: HeldOut
    events: int | None

    def __post_init__(self) -> None:
        if self.events is not None:
            del self.held_out.clips[self.events :]

    def scores(self, sampler: Sampler, steps: int) -> Mapping[str, float]:
        """FD, CS and the share of sounds whose event the referee names."""
        generator, held_out = AudioLDM(sampler=sampler, steps=steps, guidance=GUIDANCE, batch_size=16), self.held_out
        conditions = ClapEncoder().encode_audio(held_out.waveforms, SAMPLE_RATE)
        sounds = generator.generate(conditions, seconds=DURATION, seeds=held_out.seeds())
        suite, frames = EvaluationSuite(["fd", "cs"], device="cpu"), held_out.frame_embeddings(ClipEncoder())
        for place, (sound, own, seen) in enumerate(zip(sounds, held_out.waveforms, frames, strict=True)):
            suite.add(f"{place:03d}", (sound, SAMPLE_RATE), (own, SAMPLE_RATE), seen)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return {**suite.compute(), "referee": accuracy(load_referee(), sounds, held_out.events)}


def equal_quality(per_event: int, events: int | None, reference: int) -> Iterator[Row]:
    """The steps of DPM++ that reach DDIM's FD and CS, and both numbers there."""
    quality = Quality(HeldOut(per_event), events)
    aim, found, steps = quality.scores(REFERENCE[0], reference), {}, 0
    for steps in TRIED:
        found = quality.scores("dpm++", steps)
        if abs(found["fd"] / aim["fd"] - 1) < FD_TOLERANCE and found["cs"] > aim["cs"] * (1 - CS_TOLERANCE):
            break
    clips, against = len(quality.held_out.clips), f"DDIM, {reference} steps, the same noise"
    shown = ", ".join(f"{name.upper()} {found[name]:.2f} against {aim[name]:.2f}" for name in ("fd", "cs"))
    note = f"{clips} held-out clips of the miniature: {shown}; the referee names {found['referee']:.0%} and "
    note += f"{aim['referee']:.0%} of the events"
    what = f"steps of DPM++ to FD within {FD_TOLERANCE:.0%} and CS within {CS_TOLERANCE:.1%}"
    yield Row(what, against, steps, "steps", 15, "lower", 1, (steps, steps), note)
