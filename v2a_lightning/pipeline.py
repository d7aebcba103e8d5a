"""V2APipeline: pictures and videos in, waveforms out. Needs no Trainer, no data module and no metric."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor, nn

from v2a_lightning.assembled_mapper import Mapper
from v2a_lightning.checkpoints.known import licence_of
from v2a_lightning.components import SelfDescribing, construct, make, parsed
from v2a_lightning.encoders import Encoder, EncoderSet
from v2a_lightning.encoders.base import SOLE, Encoders, by_name, of_each
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.generators import Generator
from v2a_lightning.json_files import write_json
from v2a_lightning.media import is_picture, picture_in_memory, picture_seconds, read_frames
from v2a_lightning.randomness import clip_seed, generators
from v2a_lightning.runs import CONFIG_KEY
from v2a_lightning.saved_mapper import OnTheHub, pretrained_folder, save_pretrained
from v2a_lightning.specs import FrameSpec

Frames = NDArray[np.uint8]
Source = str | Path | Frames | Image
Part = TypeVar("Part", bound=SelfDescribing)

PIPELINE_FILE = "pipeline.json"
# What pipelines and configs of earlier versions call a part.
OLD_NAMES = {"encoder": "clip", "generator": "audioldm"}
# So little beyond a window is no window of its own: containers round ten seconds up. Its sound is silence.
REST_SECONDS = 0.1
FADE_SECONDS = 0.01


class V2APipeline(OnTheHub):
    """A visual encoder, a trained mapper and a generator in a row.

    `save_pretrained(folder)` writes the mapper and the descriptions of the others, not their weights;
    `push_to_hub("owner/name")` sends that to the Hub.

    Args:
        encoder: embeds the frames; the one the mapper was trained with, or several by name.
        mapper: maps frame embeddings to the generator's condition.
        generator: makes sound of it.
        frames: which frames of a clip are encoded. Its duration is also the length of a picture's sound; a longer clip
            is taken in windows of that length.
    """

    def __init__(self, encoder: Encoders, mapper: Mapper, generator: Generator, frames: FrameSpec) -> None:
        self.encoder = encoder
        self.mapper = mapper.eval()
        self.generator = generator
        self.frames = frames

    @property
    def sample_rate(self) -> int:
        """Of the waveforms, in Hz."""
        return self.generator.sample_rate

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls,
        source: str | Path,
        encoder: Encoders | str | None = None,
        generator: Generator | str | None = None,
    ) -> "V2APipeline":
        """A pipeline from a checkpoint of `fit` or a folder of `save_pretrained`.

        The weights of a checkpoint are the averaged ones where the run kept an average.

        Args:
            source: a file, a folder, or a Hugging Face name, `owner/name` or `owner/name@revision`.
            encoder: replaces the one named there; a text is another checkpoint for it.
            generator: replaces the one named there; a text is another checkpoint for it, or a class path where none is
                named.

        Raises:
            UsageError: when there is no pipeline there, or it names no generator and none is given.
        """
        path = Path(source)
        if path.is_file():
            mapper, parts = Mapper.from_pretrained(path), _parts_of_checkpoint(path)
        else:
            path = pretrained_folder(source)
            described = path / PIPELINE_FILE
            if not described.is_file():
                raise UsageError(f"{source} is neither a checkpoint nor a pipeline's folder: there is no {described}")
            parts = parsed(json.loads, described.read_bytes(), described)
            mapper = Mapper.from_pretrained(path)
        found = {name: parts.get(name, parts.get(old)) for name, old in OLD_NAMES.items()}
        return cls(
            _encoders(found["encoder"], encoder, f"{source}: encoder"),
            mapper,
            _made(found["generator"], generator, Generator, f"{source}: generator"),  # type: ignore[type-abstract]
            construct(FrameSpec, parts.get("frames"), f"{source}: frames"),
        )

    def _save_pretrained(self, save_directory: Path) -> None:
        """Write the mapper and the descriptions of the other parts, not their weights, into a folder."""
        encoders = {f"encoder {name}".strip(): one for name, one in by_name(self.encoder).items()}
        models: dict[str, Encoder | Generator] = {**encoders, "generator": self.generator}
        rows = {name: f"`{one.name}`, licence {_licence(one.describe())}" for name, one in models.items()}
        encoder = of_each(self.encoder, lambda one: one.describe())
        parts = {"encoder": encoder, "generator": self.generator.describe()}
        save_pretrained(self.mapper, save_directory, rows)
        write_json(save_directory / PIPELINE_FILE, {**parts, "frames": asdict(self.frames)}, indent=2)

    def describe_encoder(self) -> dict[str, Any]:
        """What the frame embeddings depend on."""
        fingerprint = of_each(self.encoder, lambda one: one.fingerprint)
        return {"encoder": of_each(self.encoder, lambda one: one.describe()), "encoder_fingerprint": fingerprint}

    def to(self, device: str | torch.device) -> "V2APipeline":
        """Move every model to a device."""
        for one in by_name(self.encoder).values():
            one.to(device)
        self.mapper.to(device)
        self.generator.to(device)
        return self

    def embed(self, frames: Frames, seeds: Sequence[int]) -> Tensor:
        """The generator's condition for frames uint8 (T, H, W, 3), a row and a draw for each seed."""
        device = next(self.mapper.parameters()).device
        pictures = torch.from_numpy(frames)
        encoded = {name: one.encode_frames(pictures).to(device) for name, one in by_name(self.encoder).items()}
        batch = {name: rows[None].expand(len(seeds), -1, -1) for name, rows in encoded.items()}
        return self.mapper.sample(batch.get(SOLE, batch), generator=generators(seeds))

    def __call__(
        self,
        source: Source,
        *,
        name: str | None = None,
        seed: int = 0,
        samples: int = 1,
        steps: int | None = None,
        guidance: float | None = None,
        seconds: float | None = None,
    ) -> Tensor:
        """Make sound for one picture or clip.

        A clip is taken in windows of `frames.duration` seconds, of whose sound the last one's is cut: a clip's sound is
        as long as its picture.

        Args:
            source: a file, a PIL image, or frames uint8 RGB (T, H, W, 3), which are one window.
            name: what the noise belongs to beside the seed; the file's stem when not given.
            seed: the same source, name and seed give the same sound, whatever else is made.
            samples: how many different sounds.
            steps: the generator's sampling steps, if not its own.
            guidance: the generator's guidance scale, if not its own.
            seconds: length of a picture's sound, one window by default; of a clip, so many seconds at most.

        Returns:
            (samples, N) float32 at `sample_rate`.

        Raises:
            MediaError: when the file cannot be used.
            RunFailure: when the mapper's embedding is not finite.
            TypeError: when the source is nothing of the kind.
            UsageError: when a number is out of its range.
        """
        check_numbers(samples, seconds, steps, guidance)
        self.generator.sampling(steps, guidance)
        source = source if isinstance(source, (str, Path)) else frames_in_memory(source)
        name = name or (Path(source).stem if isinstance(source, (str, Path)) else "")
        length = self.seconds_of(source, seconds)
        windows = []
        for index, frames in enumerate(self._windows(source, length)):
            window = f"{name}/{index}" if index else name
            seeds = [clip_seed(seed, window, sample) for sample in range(samples)]
            embeddings = self.embed(frames, seeds)
            if not embeddings.isfinite().all():
                raise RunFailure(f"{name or 'the frames'}: the mapper's embedding is not finite")
            whole = self.frames.duration
            sound = self.generator.generate(embeddings, seconds=whole, seeds=seeds, steps=steps, guidance=guidance)
            windows.append(sound)
        return _joined(windows, round(length * self.sample_rate), self.sample_rate)

    def seconds_of(self, source: str | Path | Frames, seconds: float | None = None) -> float:
        """Length of the sound that is made for a source.

        Args:
            source: a file, or frames.
            seconds: as `__call__` takes it.
        """
        if isinstance(source, np.ndarray) or is_picture(source):
            return self.frames.duration if seconds is None else seconds
        return min(picture_seconds(source), math.inf if seconds is None else seconds)

    def _windows(self, source: str | Path | Frames, length: float) -> Iterator[Frames]:
        """The frames of each window of a sound of `length` seconds."""
        count = max(1, math.ceil((length - REST_SECONDS) / self.frames.duration))
        if isinstance(source, np.ndarray) or is_picture(source):
            seen = source if isinstance(source, np.ndarray) else read_frames(source, self.frames)
            yield from [seen] * count
            return
        for start in [index * self.frames.duration for index in range(count)]:
            left = length - start
            # So little is left that it ends before the first of the usual times: one frame from its middle.
            spec = self.frames if left > self.frames.times[0] else FrameSpec(1 / left, left)
            yield read_frames(source, spec, start=start)


def _encoders(described: Any, given: Encoders | str | None, source: str) -> Encoders:
    """The encoder of frames, or several by name."""
    if isinstance(given, Mapping):
        return given
    if given is None and isinstance(described, Mapping) and "class_path" not in described:
        return {name: _made(one, None, Encoder, f"{source}.{name}") for name, one in described.items()}  # type: ignore[type-abstract]
    if given is None and "encoders" in _arguments(described):
        return make(described, EncoderSet, source)
    return _made(described, given, Encoder, source)  # type: ignore[type-abstract]


def _made(described: Any, given: Part | str | None, expected: type[Part], source: str) -> Part:
    """A part from its description, another checkpoint for it, or what takes its place."""
    if isinstance(given, expected):
        return given
    if described is None and given is None:
        raise UsageError(f"{source}: none is named there; give one (--{source.rpartition(' ')[2]})")
    if isinstance(described, Mapping) and given is not None:
        described = {**described, "init_args": {**_arguments(described), "checkpoint": given}}
    return make(given if described is None else described, expected, source)


def _parts_of_checkpoint(path: Path) -> Mapping[str, Any]:
    """What a run's config says of the models round the mapper."""
    text = torch.load(path, map_location="meta", weights_only=True).get(CONFIG_KEY)
    if text is None:
        raise UsageError(f"{path} was not written by `fit`: it does not hold the run's config")
    config = parsed(yaml.safe_load, text, path)
    data, evaluation = (_arguments(config.get(key)) for key in ("data", "evaluation"))
    if "frames" not in data:
        raise UsageError(f"{path}: the config in it does not say which frames its data was made with")
    return {**evaluation, **data}


def _arguments(described: Any) -> Mapping[str, Any]:
    arguments = described.get("init_args") if isinstance(described, Mapping) else None
    return arguments if isinstance(arguments, Mapping) else {}


def _licence(described: Mapping[str, Any]) -> str:
    return licence_of(str(described["init_args"].get("checkpoint", "")))


def check_numbers(
    samples: int, seconds: float | None, steps: int | None, guidance: float | None, prefix: str = ""
) -> None:
    """Refuse what cannot be made; `prefix` stands before the number's name in the message.

    Raises:
        UsageError: when a number is out of its range.
    """
    for name, count in {"samples": samples, "steps": steps}.items():
        if count is not None and count < 1:
            raise UsageError(f"{prefix}{name} is at least 1, not {count}")
    if seconds is not None and not 0 < seconds < math.inf:
        raise UsageError(f"{prefix}seconds is a number above 0, not {seconds:g}")
    if guidance is not None and not 0 <= guidance < math.inf:
        raise UsageError(f"{prefix}guidance is a number of at least 0, not {guidance:g}")


def frames_in_memory(source: Any) -> Frames:
    """Frames uint8 RGB (T, H, W, 3) of a PIL image or an array.

    Raises:
        TypeError: when it is neither, or an array of another type or shape.
    """
    if isinstance(source, Image):
        return picture_in_memory(source)
    if not isinstance(source, np.ndarray):
        raise TypeError(
            f"a source is a path, a PIL image or frames as a numpy array, not {type(source).__module__}."
            f"{type(source).__name__}"
        )
    if source.dtype != np.uint8 or source.ndim != 4 or source.shape[3] != 3 or 0 in source.shape:
        raise TypeError(f"frames are uint8 RGB (T, H, W, 3) with T > 0, not {source.dtype} {source.shape}")
    return source


def _joined(windows: Sequence[Tensor], samples: int, sample_rate: int) -> Tensor:
    """Waveforms (B, N) one after the other as (B, samples): cut, or filled with the little silence that may be missing.

    Each is faded where another one or the silence follows, so that it does not click.
    """
    ramp = torch.linspace(0, 1, round(FADE_SECONDS * sample_rate))
    for window in windows[1:]:
        window[:, : len(ramp)] *= ramp
    missing = max(0, samples - sum(window.shape[1] for window in windows))
    for window in windows if missing else windows[:-1]:
        window[:, -len(ramp) :] *= ramp.flip(0)
    return nn.functional.pad(torch.cat(list(windows), dim=1), (0, missing))[:, :samples]
