"""V2APipeline: pictures and videos in, waveforms out. Needs no Trainer, no data module and no metric."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from v2a_lightning.assembled_mapper import Mapper
from v2a_lightning.components import construct
from v2a_lightning.encoders import Encoder
from v2a_lightning.encoders.base import SOLE, Encoders, by_name, checked_frames, of_each
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.generators import Generator
from v2a_lightning.json_files import write_json
from v2a_lightning.media import is_picture, picture_seconds
from v2a_lightning.model_card import Training, pipeline_card
from v2a_lightning.pipeline_parts import PIPELINE_FILE, make_encoders, make_generator, read_parts
from v2a_lightning.randomness import generators
from v2a_lightning.request import OnProgress, Request, steps_shown
from v2a_lightning.saved_mapper import OnTheHub, parameters_of, save_pretrained
from v2a_lightning.sources import Frames, Source, read_windows, window_count
from v2a_lightning.specs import FrameSpec
from v2a_lightning.steering import NEGATIVE_STRENGTH, STRENGTH, Space, Steering
from v2a_lightning.waveforms import best_candidates, joined, save_waveforms


class V2APipeline(OnTheHub):
    """A visual encoder, a trained mapper and a generator in a row.

    `save_pretrained(folder)` writes the mapper and the descriptions of the others, not their weights;
    `push_to_hub("owner/name")` sends that to the Hub. Arguments are named as in diffusers' pipelines.

    Args:
        encoder: embeds the frames; the one the mapper was trained with, or several by name.
        mapper: maps frame embeddings to the generator's condition.
        generator: makes sound of it.
        frames: which frames of a clip are encoded. Its duration is also the length of a picture's sound; a longer clip
            is taken in windows of that length.
        training: where the mapper comes from, for the model card.
    """

    def __init__(
        self,
        encoder: Encoders,
        mapper: Mapper,
        generator: Generator,
        frames: FrameSpec,
        training: Training = Training(),  # noqa: B008
    ) -> None:
        self.encoder = encoder
        self.mapper = mapper.eval()
        self.generator = generator
        self.frames = frames
        self.training = training
        self._bar: dict[str, Any] = {}

    @property
    def sample_rate(self) -> int:
        """Of the waveforms, in Hz."""
        return self.generator.sample_rate

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next((one.device for one in self.mapper.parameters()), self.generator.device)

    @property
    def scheduler(self) -> Any:
        """The generator's, of diffusers; another is put in its place with `X.from_config(pipeline.scheduler.config)`.

        Raises:
            UsageError: when the generator has none.
        """
        if self.generator.scheduler is None:
            raise UsageError(f"{self.generator.name} samples with no scheduler of diffusers")
        return self.generator.scheduler

    @scheduler.setter
    def scheduler(self, scheduler: Any) -> None:
        assert self.scheduler is not None
        self.generator.scheduler = scheduler

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls,
        source: str | Path,
        encoder: Encoders | str | None = None,
        generator: Generator | str | None = None,
        device: str | torch.device | None = None,
    ) -> Self:
        """A pipeline from a checkpoint of `fit` or a folder of `save_pretrained`.

        The weights of a checkpoint are the averaged ones where the run kept an average.

        Args:
            source: a file, a folder, or a Hugging Face name, `owner/name` or `owner/name@revision`.
            encoder: replaces the one named there; a text is another checkpoint for it.
            generator: replaces the one named there; a text is another checkpoint for it, or a class path where none is
                named.
            device: where to compute; the CPU when not given.

        Raises:
            UsageError: when there is no pipeline there, or it names no generator and none is given.
        """
        mapper, parts = read_parts(source)
        pipeline = cls(
            make_encoders(parts["encoder"], encoder, f"{source}: encoder"),
            mapper,
            make_generator(parts["generator"], generator, f"{source}: generator"),
            construct(FrameSpec, parts.get("frames"), f"{source}: frames"),
            construct(Training, parts.get("training") or {}, f"{source}: training"),
        )
        return pipeline if device is None else pipeline.to(device)

    def _save_pretrained(self, save_directory: Path) -> None:
        """Write the mapper and the descriptions of the other parts, not their weights, into a folder."""
        encoders = {f"encoder {name}".strip(): one for name, one in by_name(self.encoder).items()}
        models: dict[str, Encoder | Generator] = {**encoders, "generator": self.generator}
        checkpoints = {name: str(one.describe()["init_args"].get("checkpoint", "")) for name, one in models.items()}
        others = {name: (one.name, checkpoints[name]) for name, one in models.items()}
        card = pipeline_card(self.mapper.describe(), parameters_of(self.mapper), others, self.training)
        encoder = of_each(self.encoder, lambda one: one.describe())
        parts = {"encoder": encoder, "generator": self.generator.describe(), "frames": asdict(self.frames)}
        save_pretrained(self.mapper, save_directory, card)
        write_json(save_directory / PIPELINE_FILE, {**parts, "training": asdict(self.training)}, indent=2)

    def describe_encoder(self) -> dict[str, Any]:
        """What the frame embeddings depend on."""
        fingerprint = of_each(self.encoder, lambda one: one.fingerprint)
        return {"encoder": of_each(self.encoder, lambda one: one.describe()), "encoder_fingerprint": fingerprint}

    def to(self, device: str | torch.device) -> Self:
        """Move every model to a device."""
        for one in by_name(self.encoder).values():
            one.to(device)
        self.mapper.to(device)
        self.generator.to(device)
        return self

    def set_progress_bar_config(self, **options: Any) -> None:
        """tqdm's options for the bar of a call that takes over two seconds, such as `disable=True`."""
        self._bar = options

    def embed(self, frames: Frames, seeds: Sequence[int], steering: Steering = Steering()) -> Tensor:  # noqa: B008
        """The generator's condition for frames uint8 (T, H, W, 3), a row and a draw for each seed: (B, N, D)."""
        pictures = checked_frames(frames)
        mixed = steering if steering.space == "clip" else Steering()
        encoded = {
            name: mixed.apply(one.encode_frames(pictures)[None], one.encode_text)[0].to(self.device)
            for name, one in by_name(self.encoder).items()
        }
        batch = {name: rows[None].expand(len(seeds), -1, -1) for name, rows in encoded.items()}
        condition = self.mapper.sample(batch.get(SOLE, batch), generator=generators(seeds))
        return steering.apply(condition, self.generator.target_of_text) if steering.space == "clap" else condition

    def __call__(
        self,
        source: Source | Sequence[Source],
        *,
        prompt: str | Sequence[str] | None = None,
        negative_prompt: str | Sequence[str] | None = None,
        prompt_strength: float = STRENGTH,
        negative_strength: float = NEGATIVE_STRENGTH,
        prompt_space: Space = "clip",
        num_waveforms_per_prompt: int = 1,
        best_of: int = 1,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        seconds: float | None = None,
        seed: int | None = None,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        name: str | Sequence[str] | None = None,
        on_progress: OnProgress | None = None,
    ) -> Tensor | list[Tensor]:
        """Make sound for a picture or clip, or for each of a list.

        A clip is taken in windows of `frames.duration` seconds, of whose sound the last one's is cut: a clip's sound is
        as long as its picture. The sounds of a list are generated together, `generator.batch_size` at once.

        Args:
            source: a file, a PIL image, or uint8 RGB in an array or tensor: a picture (H, W, 3), or frames
                (T, H, W, 3), which are one window. Or a list of these.
            prompt: a text that is mixed with what is seen; one for each source, or one for all.
            negative_prompt: a text that is guided away from.
            prompt_strength: 0 is the picture alone, 1 the text alone.
            negative_strength: 0 is none; 1 is a guidance scale of 2.
            prompt_space: where texts are mixed in, "clip" (before the mapper) or "clap" (after it).
            num_waveforms_per_prompt: how many different sounds for each source.
            best_of: candidates for each of them; the one whose own embedding is nearest to its target is kept.
            num_inference_steps: the generator's sampling steps, if not its own.
            guidance_scale: the generator's guidance scale, if not its own.
            seconds: length of a picture's sound, one window by default; of a clip, so many seconds at most.
            seed: 0 when not given. The same source, name and seed give the same sound, whatever else is made.
            generator: draws the seeds instead; one, or one for each waveform.
            name: what the noise belongs to beside the seed: the file's stem when not given, in a list of pictures
                without files their place in it.
            on_progress: is called with the steps done and the steps in all; what it raises ends the call.

        Returns:
            (num_waveforms_per_prompt, N) float32 at `sample_rate`; of a list, one for each source.

        Raises:
            MediaError: when a file cannot be used.
            RunFailure: when the mapper's embedding is not finite.
            TypeError: when a source is nothing of the kind.
            UsageError: when a number is out of its range, or a model reads no texts.
        """
        texts = prompt, negative_prompt, prompt_strength, negative_strength, prompt_space
        counts = num_waveforms_per_prompt, best_of, num_inference_steps
        given = Request(source, *texts, *counts, guidance_scale, seconds, seed, generator, name)
        sampling = self.generator.sampling(num_inference_steps, guidance_scale)
        lengths = [self.seconds_of(one, seconds) for one in given.sources]
        rows = num_waveforms_per_prompt * best_of
        windows = sum(window_count(length, self.frames) for length in lengths)
        calls = [rows * windows] if given.many else [rows] * windows
        total = sum(math.ceil(one / self.generator.batch_size) for one in calls) * sampling.get("steps", 1)
        with steps_shown(total, self._bar, on_progress) as step:
            sounds = self._generate(given, lengths, step)
        return sounds if given.many else sounds[0]

    def save(self, waveforms: Tensor | NDArray[np.float32], path: str | Path) -> list[Path]:
        """Write one source's waveforms (N,) or (B, N) as wav files: `path`, or for several `<stem>_0.wav` and so on.

        Raises:
            RunFailure: when a number is not finite, or the disk refuses.
            UsageError: when it is no `.wav`, or the shape is another.
        """
        return save_waveforms(waveforms, path, self.sample_rate)

    def seconds_of(self, source: str | Path | Frames, seconds: float | None = None) -> float:
        """Length of the sound that is made for a source.

        Args:
            source: a file, or frames.
            seconds: as `__call__` takes it.
        """
        if isinstance(source, np.ndarray) or is_picture(source):
            return self.frames.duration if seconds is None else seconds
        return min(picture_seconds(source), math.inf if seconds is None else seconds)

    def _generate(self, given: Request, lengths: Sequence[float], step: Callable[[], None]) -> list[Tensor]:
        """The sounds (B, samples) of each source: of a list together, of one source window by window."""
        windows: list[list[Tensor]] = [[] for _ in lengths]
        waiting: list[tuple[int, Tensor, list[int]]] = []
        for index, length in enumerate(lengths):
            for window, frames in enumerate(read_windows(given.sources[index], length, self.frames)):
                seeds = given.seeds(index, window)
                embeddings = self.embed(frames, seeds, given.steerings[index])
                if not embeddings.isfinite().all():
                    raise RunFailure(f"{given.names[index] or 'the frames'}: the mapper's embedding is not finite")
                waiting.append((index, embeddings, seeds))
                if not given.many:
                    windows[index].append(self._sound(given, embeddings, seeds, step))
        if given.many:
            seeds = [seed for _, _, seeds in waiting for seed in seeds]
            sound = self._sound(given, torch.cat([embeddings for _, embeddings, _ in waiting]), seeds, step)
            for (index, _, _), part in zip(waiting, sound.split(given.num_waveforms_per_prompt), strict=True):
                windows[index].append(part)
        return [
            joined(parts, round(length * self.sample_rate), self.sample_rate)
            for parts, length in zip(windows, lengths, strict=True)
        ]

    def _sound(self, given: Request, targets: Tensor, seeds: Sequence[int], step: Callable[[], None]) -> Tensor:
        """The waveforms of targets (B * best_of, N, D) over one window: (B, samples)."""
        options: dict[str, Any] = {"steps": given.num_inference_steps, "guidance": given.guidance_scale}
        if self.generator.reports_steps:
            options["on_step"] = step
        sound = self.generator.generate(targets, seconds=self.frames.duration, seeds=seeds, **options)
        if not self.generator.reports_steps:
            step()
        return best_candidates(self.generator, sound, targets, given.best_of)

    def __repr__(self) -> str:
        parts = (type(part).__name__ for part in (self.mapper.network, self.mapper.objective, self.mapper.aggregator))
        encoder = dict(self.encoder) if isinstance(self.encoder, Mapping) else self.encoder
        models = f"encoder={encoder!r}, mapper=({', '.join(parts)}), generator={self.generator!r}"
        return f"V2APipeline({models}, frames={self.frames}, device={str(self.device)!r})"
