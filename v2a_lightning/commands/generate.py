"""`generate`: pictures and clips to sound."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from v2a_lightning.errors import RunFailure, UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from v2a_lightning.pipeline import V2APipeline


def generate(
    inputs: list[str],
    /,
    checkpoint: str,
    output: str = "generated",
    seed: int = 0,
    samples: int = 1,
    steps: int | None = None,
    guidance: float | None = None,
    audioldm: str | None = None,
    clip: str | None = None,
    device: str = "auto",
) -> int:
    """Turn pictures and clips into sound.

    Each input becomes a wav file named after it; a clip becomes a copy with the new sound under its picture too. With
    several samples the files are numbered. The same input, seed and checkpoint always give the same sound.

    Args:
        inputs: pictures and clips, or folders of them.
        checkpoint: a checkpoint that `fit` wrote, or a folder of V2APipeline.save_pretrained.
        output: folder to write to.
        seed: another seed gives another sound.
        samples: different sounds for each input.
        steps: AudioLDM's denoising steps, if not those of the checkpoint's config.
        guidance: AudioLDM's guidance scale, if not that of the checkpoint's config.
        audioldm: another AudioLDM than the config's.
        clip: another CLIP than the config's.
        device: where to compute; "auto" takes a GPU when there is one.
    """
    if samples < 1:
        raise UsageError(f"--samples is at least 1, not {samples}")
    files = find_inputs(inputs)
    from v2a_lightning.pipeline import V2APipeline

    pipeline = V2APipeline.from_pretrained(checkpoint, clip, audioldm).to(_device(device))
    failures = []
    for file in files:
        try:
            waves = pipeline(file, seed=seed, samples=samples, steps=steps, guidance=guidance)
            for written in _write(pipeline, file, waves, Path(output)):
                print(written)
        except RunFailure as error:
            failures.append(str(error))
            print(f"left out: {error}")
    if failures:
        raise RunFailure(f"{len(failures)} of {len(files)} inputs could not be used; the first: {failures[0]}")
    return 0


def find_inputs(inputs: Sequence[str]) -> list[Path]:
    """The files that are named, and the pictures and clips in folders that are named.

    Raises:
        UsageError: when a name is nothing, a folder holds nothing to use, or two inputs would write the same file.
    """
    from v2a_lightning.media import PICTURE_SUFFIXES, VIDEO_SUFFIXES

    files: list[Path] = []
    for path in map(Path, inputs):
        inside = [one for one in sorted(path.glob("*")) if one.suffix.lower() in PICTURE_SUFFIXES | VIDEO_SUFFIXES]
        if not path.exists() or (path.is_dir() and not inside):
            raise UsageError(
                f"{path}: there is no such file" if not path.is_dir() else f"{path} holds no picture or clip"
            )
        files += inside if path.is_dir() else [path]
    stems = [file.stem for file in files]
    twice = next((file for file in files if stems.count(file.stem) > 1), None)
    if twice is not None:
        raise UsageError(f"two inputs would both write {twice.stem}.wav; rename one or take them in two calls")
    return files


def _device(wanted: str) -> str:
    import torch

    return wanted if wanted != "auto" else "cuda" if torch.cuda.is_available() else "cpu"


def _write(pipeline: "V2APipeline", source: Path, waves: "Tensor", folder: Path) -> list[Path]:
    """A wav file for each wave, and for a clip an mp4 with it."""
    from v2a_lightning.media import is_picture, replace_audio, write_wave

    written = []
    for index, wave in enumerate(waves.numpy()):
        stem = source.stem if len(waves) == 1 else f"{source.stem}_{index}"
        write_wave(folder / f"{stem}.wav", wave, pipeline.sample_rate)
        written.append(folder / f"{stem}.wav")
        if not is_picture(source):
            replace_audio(source, wave, pipeline.sample_rate, folder / f"{stem}.mp4")
            written.append(folder / f"{stem}.mp4")
    return written
