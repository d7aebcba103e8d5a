"""`generate`: pictures and clips to sound."""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from v2a_lightning import __version__
from v2a_lightning.devices import choose_device
from v2a_lightning.errors import RunFailure, UsageError, V2AError
from v2a_lightning.files import path_of_id, refuse_inputs_as_outputs, remove_temporaries, sha256_file
from v2a_lightning.generation import (
    GENERATION_FILE,
    GenerationRecord,
    describe_generator,
    describe_mapper,
    refuse_other_settings,
)
from v2a_lightning.media import CONTAINERS, MediaError, copy_with_sound, find_media_files, is_picture, write_waveform

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
    seconds: float | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    generator: str | None = None,
    encoder: str | None = None,
    device: str = "auto",
) -> int:
    """Turn pictures and clips into sound.

    Each input becomes a wav file named after it; a clip becomes a copy with the new sound under its picture too. With
    several samples the files are numbered. The same input, seed and checkpoint always give the same sound. A clip's
    sound is as long as its picture.

    What was made and how is written to generation.json beside the sounds, from where `evaluate` takes it into its
    cards. An input that cannot be used is left out, with its reason written there, and the command ends with an error.
    Started again, the command makes only what is missing. A folder holds sounds of one way of making them: with other
    options give another --output.

    Args:
        inputs: pictures and clips, or folders of them.
        checkpoint: a checkpoint that `fit` wrote, or a folder of V2APipeline.save_pretrained.
        output: folder to write to.
        seed: another seed gives another sound.
        samples: different sounds for each input.
        seconds: length of a picture's sound, by default that of the clips the mapper was trained on; of a clip, so many
            seconds at most.
        steps: the generator's sampling steps, if not those of the checkpoint's config.
        guidance: the generator's guidance scale, if not that of the checkpoint's config.
        generator: another checkpoint for the config's generator; a class path where the config has none.
        encoder: another checkpoint for the config's visual encoder.
        device: where to compute; "auto" takes a GPU when there is one.
    """
    from v2a_lightning.pipeline import V2APipeline, check_numbers

    check_numbers(samples, seconds, steps, guidance, prefix="--")
    files, folder = find_inputs(inputs), Path(output)
    names = name_sounds(files, samples)
    _check_outputs(names, folder, checkpoint)
    pipeline = V2APipeline.from_pretrained(checkpoint, encoder, generator).to(choose_device(device))
    settings = _settings(pipeline, Path(checkpoint), seed, seconds, steps, guidance)
    refuse_other_settings(folder, settings, "--output")
    record = GenerationRecord(folder, settings)
    _check_sources(record, names)
    make = partial(pipeline, seed=seed, samples=samples, steps=steps, guidance=guidance, seconds=seconds)
    counts: Counter[str] = Counter()
    reasons: list[str] = []
    record.begin()
    remove_temporaries(folder, ["generation", *(name for one in names.values() for name in one)])
    try:
        for file in files:
            counts[_make(record, make, file, names[file], reasons)] += 1
    finally:
        # Also of what was made before something went wrong.
        record.finish()
    print(f"{folder}: " + ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES if counts[outcome]))
    if reasons:
        told = folder / GENERATION_FILE
        raise RunFailure(f"{len(reasons)} of {len(files)} inputs could not be used; {told} says why: {reasons[0]}")
    return 0


OUTCOMES = MADE, THERE, LEFT_OUT = "made", "there already", "left out"


def find_inputs(inputs: Sequence[str]) -> list[Path]:
    """The files that are named, and the pictures and clips in folders that are named, each once.

    Raises:
        UsageError: when a name is nothing, or a folder holds nothing to use.
    """
    files: list[Path] = []
    for path in map(Path, inputs):
        if not path.is_file() and not path.is_dir():
            raise UsageError(f"{path}: there is no such file")
        found = find_media_files(path) if path.is_dir() else [path]
        if not found:
            raise UsageError(f"{path} holds no picture or clip")
        files += found
    return list({file.absolute(): file for file in files}.values())


def name_sounds(files: Sequence[Path], samples: int) -> dict[Path, list[str]]:
    """Each input's sounds: its name without the suffix, numbered where there are several.

    Raises:
        UsageError: when two inputs would write one file, on a disk that does not tell cases apart too.
    """
    names = {file: [file.stem] if samples == 1 else [f"{file.stem}_{one}" for one in range(samples)] for file in files}
    writers: dict[str, Path] = {}
    for file in files:
        for name in names[file]:
            other = writers.setdefault(unicodedata.normalize("NFC", name).casefold(), file)
            if other is not file:
                raise UsageError(f"{other} and {file} would both write {name}.wav; rename one, or take two --output")
    return names


def _check_outputs(names: Mapping[Path, Sequence[str]], folder: Path, checkpoint: str) -> None:
    """Refuse to write over an input, or over files that this command did not make.

    Raises:
        UsageError: naming the first file that would be lost.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--output {folder} is a file, and a folder is wanted")
    suffixes = {file: (".wav", *(CONTAINERS if _moves(file) else ())) for file in names}
    outputs = [folder / f"{name}{suffix}" for file in names for name in names[file] for suffix in suffixes[file]]
    refuse_inputs_as_outputs([*names, Path(checkpoint)], [*outputs, folder / GENERATION_FILE], "--output")
    if (folder / GENERATION_FILE).exists() or not folder.is_dir():
        return
    there = set(folder.iterdir())
    if foreign := next((path for path in outputs if path in there), None):
        raise UsageError(f"{foreign} is there and was not made by `generate`; give another --output")


def _check_sources(record: GenerationRecord, names: Mapping[Path, Sequence[str]]) -> None:
    """Refuse to write over a sound of an earlier call that was made of another file.

    Raises:
        UsageError: naming the sound and what it was made of.
    """
    for file in names:
        for name in names[file]:
            source = record.sounds.get(name, {}).get("source", file)
            if Path(source).absolute() != file.absolute() and not _is_made(record, file, name, _sha256(file)):
                raise UsageError(f"{record.folder / name}.wav was made of {source}; give another --output")


def _settings(
    pipeline: "V2APipeline",
    checkpoint: Path,
    seed: int,
    seconds: float | None,
    steps: int | None,
    guidance: float | None,
) -> dict[str, Any]:
    """How all sounds of this call are made."""
    settings: dict[str, Any] = {"made_by": f"v2a_lightning {__version__}, generate", "seed": seed}
    settings["seconds"] = pipeline.frames.duration if seconds is None else seconds
    settings |= {"frames": pipeline.frames.key, "checkpoint": checkpoint.name}
    if checkpoint.is_file():
        settings["checkpoint_sha256"] = sha256_file(checkpoint)
    settings |= describe_generator(pipeline.generator, steps, guidance) | describe_mapper(pipeline.mapper)
    return settings | pipeline.describe_encoder()


def _make(
    record: GenerationRecord, make: "partial[Tensor]", file: Path, names: Sequence[str], reasons: list[str]
) -> str:
    """Make an input's sounds if they are not there, and write down the outcome.

    Returns:
        one of OUTCOMES; of what is left out, the reason is put with `reasons`.
    """
    try:
        source = {"source": str(file), "source_sha256": _sha256(file)}
        if all(_is_made(record, file, name, source["source_sha256"]) for name in names):
            return THERE
        paths = [path_of_id(record.folder, name, ".wav") for name in names]
        waveforms = make(file)
        if not waveforms.isfinite().all():
            # A file could not tell.
            raise RunFailure(f"{file}: the sound is not finite")
    except V2AError as error:
        reasons.append(str(error))
        print(f"left out: {error}")
        record.add({}, {name: {"source": str(file), "reason": str(error)} for name in names})
        return LEFT_OUT
    pipeline: V2APipeline = make.func  # type: ignore[assignment]
    for sample, (path, waveform) in enumerate(zip(paths, waveforms, strict=True)):
        written = _write(file, path, waveform, pipeline.sample_rate, make.keywords["seconds"])
        record.add({path.stem: {**source, "seed": make.keywords["seed"], "sample": sample, **written}}, {})
    return MADE


def _write(file: Path, path: Path, waveform: "Tensor", sample_rate: int, seconds: float | None) -> dict[str, str]:
    """Write a waveform, and for a clip a copy with it.

    Returns:
        the copy's name, or why there is none; nothing for a picture.
    """
    write_waveform(path, waveform.numpy(), sample_rate)
    print(path)
    if not _moves(file):
        return {}
    try:
        copy = copy_with_sound(file, waveform.numpy(), sample_rate, path.parent, path.stem, seconds=seconds)
    except (MediaError, UsageError) as error:
        print(f"{path}: there is no copy of the clip with it: {error}")
        return {"no_video": str(error)}
    print(copy)
    return {"video": copy.name}


def _moves(file: Path) -> bool:
    """Whether there is to be a copy of the input with its sound."""
    try:
        return not is_picture(file)
    except MediaError:
        return False


def _is_made(record: GenerationRecord, file: Path, name: str, source_sha256: str) -> bool:
    """Whether a sound of this very source is there, with what else was made of it. Its noise belongs to the stem."""
    sound = record.sounds.get(name, {})
    if sound.get("source_sha256") != source_sha256 or Path(sound["source"]).stem != file.stem:
        return False
    files = [f"{name}.wav", *([sound["video"]] if "video" in sound else [])]
    return all((record.folder / one).is_file() for one in files)


def _sha256(file: Path) -> str:
    try:
        return sha256_file(file)
    except OSError as error:
        raise RunFailure(f"{file} cannot be read: {error.strerror}") from error
