"""V2APipeline: pictures and clips in, waves out. Needs no Trainer and no data module."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor, nn

from v2a_lightning.checkpoints.frozen_model import FrozenModel
from v2a_lightning.checkpoints.known import licence_of
from v2a_lightning.components import construct, make, parsed
from v2a_lightning.encoders import ClipEncoder
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.files import atomic_write
from v2a_lightning.generators import AudioLDM
from v2a_lightning.media import is_picture, picture_in_memory, picture_seconds, read_frames
from v2a_lightning.randomness import clip_seed, generators
from v2a_lightning.runs import CONFIG_KEY
from v2a_lightning.saved_mapper import Mapper, OnTheHub, pretrained_folder, save_pretrained
from v2a_lightning.specs import FrameSpec

Frames = NDArray[np.uint8]
Source = str | Path | Frames | Image

PIPELINE_FILE = "pipeline.json"
# So little beyond a window is no window of its own: containers round ten seconds up. Its sound is silence.
REST_SECONDS = 0.1
FADE_SECONDS = 0.01


class V2APipeline(OnTheHub):
    """CLIP, a trained mapper and AudioLDM in a row.

    `save_pretrained(folder)` writes the mapper and the names of the others; `push_to_hub("owner/name")` sends that to
    the Hub.

    Args:
        clip: embeds the frames; the one the mapper was trained with.
        mapper: maps frame embeddings to a CLAP embedding.
        audioldm: makes sound of it.
        frames: which frames of a clip are looked at. Its duration is also the length of a picture's sound; a
            longer clip is taken in windows of that length.
    """

    def __init__(self, clip: ClipEncoder, mapper: Mapper, audioldm: AudioLDM, frames: FrameSpec) -> None:
        self.clip = clip
        self.mapper = mapper.eval()
        self.audioldm = audioldm
        self.frames = frames

    @property
    def sample_rate(self) -> int:
        """Of the waves, in Hz."""
        return self.audioldm.sample_rate

    @classmethod
    def from_checkpoint(
        cls, checkpoint: str | Path, clip: str | None = None, audioldm: str | None = None
    ) -> "V2APipeline":
        """A pipeline from a run's checkpoint. The weights are the averaged ones where the run kept an average.

        Args:
            checkpoint: written by `fit`; its config names the other models.
            clip: another CLIP checkpoint than the config's.
            audioldm: another AudioLDM checkpoint than the config's.

        Raises:
            UsageError: when the file is no such checkpoint, or its config names no AudioLDM and none is given.
        """
        mapper = Mapper.from_pretrained(checkpoint)
        text = torch.load(checkpoint, map_location="meta", weights_only=True).get(CONFIG_KEY)
        if text is None:
            raise UsageError(f"{checkpoint} was not written by `fit`: it does not hold the run's config")
        config = parsed(yaml.safe_load, text, checkpoint)
        return cls._assemble(mapper, _parts_of_config(config), clip, audioldm, str(checkpoint))

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls, source: str | Path, clip: str | None = None, audioldm: str | None = None
    ) -> "V2APipeline":
        """A pipeline from a checkpoint of `fit` or a folder of `save_pretrained`.

        Args:
            source: a file, a folder, or a Hugging Face name, `owner/name` or `owner/name@revision`.
            clip: another CLIP checkpoint than the one named there.
            audioldm: another AudioLDM checkpoint than the one named there.

        Raises:
            UsageError: when there is no pipeline there.
        """
        if Path(source).is_file():
            return cls.from_checkpoint(source, clip, audioldm)
        folder = pretrained_folder(source)
        described = folder / PIPELINE_FILE
        if not described.is_file():
            raise UsageError(f"{source} is neither a checkpoint nor a pipeline's folder: there is no {described}")
        parts = parsed(json.loads, described.read_bytes(), described)
        return cls._assemble(Mapper.from_pretrained(folder), parts, clip, audioldm, str(source))

    def _save_pretrained(self, save_directory: Path) -> None:
        """Write the mapper and the names of the other models, not their weights, into a folder."""
        models = {"CLIP": self.clip.checkpoint, "AudioLDM": self.audioldm.checkpoint}
        rows = {key: f"`{name}`, licence {licence_of(name)}" for key, name in models.items()}
        save_pretrained(self.mapper, save_directory, rows)
        sampling = ("checkpoint", "steps", "guidance", "sampler", "eta", "head_counts", "batch_size")
        parts = {
            "clip": _described(self.clip, ("checkpoint", "model_name")),
            "audioldm": _described(self.audioldm, sampling),
            "frames": asdict(self.frames),
        }
        with atomic_write(save_directory / PIPELINE_FILE) as temporary:
            temporary.write_text(json.dumps(parts, indent=2) + "\n")

    def to(self, device: str | torch.device) -> "V2APipeline":
        """Move every model to a device."""
        self.clip.to(device)
        self.mapper.to(device)
        self.audioldm.to(device)
        return self

    def embed(self, frames: Frames, seeds: Sequence[int]) -> Tensor:
        """Conditions (len(seeds), N, D) for frames uint8 (T, H, W, 3), one draw per seed."""
        seen = self.clip.encode_frames(frames).to(next(self.mapper.parameters()).device)
        batch = seen[None].expand(len(seeds), -1, -1)
        return self.mapper.sample(batch, generator=generators(seeds))

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
            steps: AudioLDM's denoising steps, if not its own.
            guidance: AudioLDM's guidance scale, if not its own.
            seconds: length of a picture's sound, one window by default; of a clip, so many seconds at most.

        Returns:
            (samples, N) float32 at `sample_rate`.

        Raises:
            MediaError: when the file cannot be used.
            RunFailure: when the mapper's embedding is not finite.
            TypeError: when the source is nothing of the kind.
            UsageError: when a number is out of its range.
        """
        check_numbers(samples, seconds)
        steps, guidance = self.audioldm.sampling(steps, guidance)
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
            windows.append(
                self.audioldm.generate(embeddings, seconds=whole, seeds=seeds, steps=steps, guidance=guidance)
            )
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

    @classmethod
    def _assemble(
        cls, mapper: Mapper, parts: Mapping[str, Any], clip: str | None, audioldm: str | None, source: str
    ) -> "V2APipeline":
        if parts.get("audioldm") is None and audioldm is None:
            raise UsageError(f"{source} names no AudioLDM; give one (--audioldm)")
        seeing = ClipEncoder(clip) if clip else make(parts.get("clip"), ClipEncoder, source)
        sounding = AudioLDM(audioldm) if audioldm else make(parts["audioldm"], AudioLDM, source)
        return cls(seeing, mapper, sounding, construct(FrameSpec, parts.get("frames"), source))


def _parts_of_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a run's config says of the models round the mapper."""
    data, evaluation = (_arguments(config.get(key)) for key in ("data", "evaluation"))
    missing = [name for name in ("clip", "frames") if name not in data]
    if missing:
        raise UsageError(f"the checkpoint's config does not say which {missing[0]} its data was made with")
    return {"clip": data["clip"], "frames": data["frames"], "audioldm": evaluation.get("audioldm")}


def _arguments(described: Any) -> Mapping[str, Any]:
    arguments = described.get("init_args") if isinstance(described, Mapping) else None
    return arguments if isinstance(arguments, Mapping) else {}


def _described(model: FrozenModel, names: Sequence[str]) -> dict[str, Any]:
    """A class path and arguments, from which `components.make` makes the same model again."""
    arguments = {name: getattr(model, name) for name in names} | {"dtype": str(model.dtype).removeprefix("torch.")}
    room = type(model).__module__.rpartition(".")[0]
    return {"class_path": f"{room}.{type(model).__name__}", "init_args": arguments}


def check_numbers(samples: int, seconds: float | None) -> None:
    """Refuse what cannot be made.

    Raises:
        UsageError: when there is less than one sample, or the seconds are not above 0.
    """
    if samples < 1:
        raise UsageError(f"samples is at least 1, not {samples}")
    if seconds is not None and not 0 < seconds < math.inf:
        raise UsageError(f"seconds is a number above 0, not {seconds:g}")


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
    """Waves (B, N) one after the other as (B, samples): cut, or filled with the little silence that may be missing.

    Each is faded where another one or the silence follows, so that it does not click.
    """
    ramp = torch.linspace(0, 1, round(FADE_SECONDS * sample_rate))
    for window in windows[1:]:
        window[:, : len(ramp)] *= ramp
    missing = max(0, samples - sum(window.shape[1] for window in windows))
    for window in windows if missing else windows[:-1]:
        window[:, -len(ramp) :] *= ramp.flip(0)
    return nn.functional.pad(torch.cat(list(windows), dim=1), (0, missing))[:, :samples]
