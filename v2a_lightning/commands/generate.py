"""`generate`: pictures and clips to sound."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from v2a_lightning import __version__
from v2a_lightning.devices import choose_device
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.files import sha256_file
from v2a_lightning.generation import describe_audioldm, describe_mapper, write_generation

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
    several samples the files are numbered. The same input, seed and checkpoint always give the same sound. How they
    were made is written to generation.json beside them, from where `evaluate` takes it into its cards.

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

    pipeline = V2APipeline.from_pretrained(checkpoint, clip, audioldm).to(choose_device(device))
    settings = _settings(pipeline, Path(checkpoint), seed, steps, guidance)
    make = partial(pipeline, seed=seed, samples=samples, steps=steps, guidance=guidance)
    failures: list[str] = []
    sounds: dict[str, dict[str, Any]] = {}
    try:
        for file in files:
            try:
                names = _write(pipeline, file, make(file), Path(output))
                sounds |= {
                    name: {"source": str(file), "seed": seed, "sample": sample} for sample, name in enumerate(names)
                }
            except RunFailure as error:
                failures.append(str(error))
                print(f"left out: {error}")
    finally:
        # Also of what was made before something went wrong.
        if sounds:
            write_generation(Path(output), settings, sounds, adding=True)
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


def _settings(
    pipeline: "V2APipeline", checkpoint: Path, seed: int, steps: int | None, guidance: float | None
) -> dict[str, Any]:
    """How all sounds of this call are made."""
    settings: dict[str, Any] = {"made_by": f"v2a_lightning {__version__}, generate", "seed": seed}
    settings |= {"seconds": pipeline.frames.duration, "frames": pipeline.frames.key, "checkpoint": checkpoint.name}
    if checkpoint.is_file():
        settings["checkpoint_sha256"] = sha256_file(checkpoint)
    settings |= describe_audioldm(pipeline.audioldm, steps, guidance) | describe_mapper(pipeline.mapper)
    return settings | {"clip": pipeline.clip.name, "clip_fingerprint": pipeline.clip.fingerprint}


def _write(pipeline: "V2APipeline", source: Path, waves: "Tensor", folder: Path) -> list[str]:
    """A wav file for each wave, and for a clip an mp4 with it.

    Returns:
        the sounds' names: files without their suffix.

    Raises:
        RunFailure: when a wave is not finite; a file could not tell.
    """
    from v2a_lightning.media import is_picture, replace_audio, write_wave

    if not waves.isfinite().all():
        raise RunFailure(f"{source}: the sound is not finite")
    names = []
    for index, wave in enumerate(waves.numpy()):
        names.append(source.stem if len(waves) == 1 else f"{source.stem}_{index}")
        write_wave(folder / f"{names[-1]}.wav", wave, pipeline.sample_rate)
        print(folder / f"{names[-1]}.wav")
        if not is_picture(source):
            replace_audio(source, wave, pipeline.sample_rate, folder / f"{names[-1]}.mp4")
            print(folder / f"{names[-1]}.mp4")
    return names
