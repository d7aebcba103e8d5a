"""`generate`: pictures and clips to sound."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from glob import glob, has_magic
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from v2a_lightning import __version__
from v2a_lightning.app.batch_generation import Input, Order, Outcome, moves, outcomes
from v2a_lightning.app.messages import PROGRAM
from v2a_lightning.checkpoints.registry import MINIATURE
from v2a_lightning.devices import choose_device
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.files import refuse_inputs_as_outputs, remove_temporaries, sha256_file
from v2a_lightning.generation import (
    GENERATION_FILE,
    GenerationRecord,
    describe_generator,
    describe_mapper,
    read_generation,
    refuse_other_settings,
)
from v2a_lightning.media import CONTAINERS, find_media_files

if TYPE_CHECKING:
    from v2a_lightning.pipeline import V2APipeline

MADE, THERE, LEFT_OUT = "made", "there already", "left out"


def generate(
    inputs: list[str],
    /,
    checkpoint: str | None = None,
    output: str = "generated",
    text: str | None = None,
    negative: str | None = None,
    text_strength: float = 0.6,
    negative_strength: float = 0.5,
    text_space: Literal["clip", "clap"] = "clip",
    seed: int = 0,
    samples: int = 1,
    best_of: int = 1,
    seconds: float | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    generator: str | None = None,
    encoder: str | None = None,
    device: str = "auto",
    batch: int = 1,
    overwrite: bool = False,
    report: bool = True,
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
        inputs: pictures and clips, folders of them, or patterns such as "clips/**/*.mp4".
        checkpoint: a checkpoint that `fit` wrote, or a folder of V2APipeline.save_pretrained; by default the mapper
            that comes with the miniature, which knows that drawn world alone.
        output: folder to write to.
        text: is mixed with what is seen.
        negative: a text to keep away from.
        text_strength: 0 is the picture alone, 1 the text alone.
        negative_strength: 0 is none; 1 is a guidance scale of 2.
        text_space: where texts are mixed in: before the mapper ("clip"), or after it ("clap"), which needs no text
            tower of the visual encoder.
        seed: another seed gives another sound.
        samples: different sounds for each input.
        best_of: candidates for each sound; the one whose CLAP embedding is nearest to the mapper's target is kept.
        seconds: length of a picture's sound, by default that of the clips the mapper was trained on; of a clip, so many
            seconds at most.
        steps: the generator's sampling steps, if not those of the checkpoint's config.
        guidance: the generator's guidance scale, if not that of the checkpoint's config.
        generator: another checkpoint for the config's generator; a class path where the config has none.
        encoder: another checkpoint for the config's visual encoder.
        device: where to compute; "auto" takes a GPU when there is one. Several share the inputs: "cuda:0,cuda:1".
        batch: inputs whose sounds are made together, which is faster on a GPU; a sound's seventh digit then depends on
            its neighbours.
        overwrite: make sounds that are there once more.
        report: write report.html beside the sounds, with pictures and players.
    """
    files, folder = find_inputs(inputs), Path(output)
    # Not before there is something to make: they bring torch.
    from v2a_lightning.pipeline import V2APipeline
    from v2a_lightning.pipeline.request import check_numbers
    from v2a_lightning.pipeline.steering import Steering
    from v2a_lightning.reports.generation_page import write_generation_page

    counts = {"--samples": samples, "--best_of": best_of, "--steps": steps, "--batch": batch}
    check_numbers(counts, {"--seconds": seconds}, {"--guidance": guidance})
    steering = Steering(text, negative, text_strength, negative_strength, text_space)
    names = name_sounds(files, samples)
    if checkpoint is None:
        checkpoint = MINIATURE
        print("no --checkpoint: the miniature's mapper, which knows its drawn world of 28 sound events alone")
    _check_outputs(names, folder, checkpoint)
    devices = [choose_device(one) for one in device.split(",")]
    parts = (checkpoint, encoder, generator)
    pipeline = V2APipeline.from_pretrained(*parts, devices[0])
    settings = _settings(pipeline, Path(checkpoint), seed, seconds, steps, guidance)
    settings |= ({"best_of": best_of} if best_of > 1 else {}) | ({"steering": asdict(steering)} if steering else {})
    if not overwrite or not (read_generation(folder)[1] or set()) <= {name for one in names.values() for name in one}:
        refuse_other_settings(folder, settings, "--output")
    texts = {"prompt": text, "prompt_strength": text_strength, "prompt_space": text_space}
    texts |= {"negative_prompt": negative, "negative_strength": negative_strength}
    numbers = {"num_waveforms_per_prompt": samples, "best_of": best_of, "num_inference_steps": steps}
    order = Order(folder, {**texts, **numbers, "guidance_scale": guidance, "seconds": seconds, "seed": seed})
    record = GenerationRecord(folder, settings)
    _check_sources(record, names)
    record.begin()
    remove_temporaries(folder, ["generation", *(name for one in names.values() for name in one)])
    try:
        missing, unreadable = _missing(record, names, overwrite)
        there = len(files) - len(missing) - len(unreadable)
        # Closed before an error is printed, so that no bar stands in its way.
        with closing(outcomes(order, pipeline, parts, devices, missing, batch)) as made:
            reasons = _record_all(record, chain(unreadable, made))
    finally:
        # Also of what was made before something went wrong.
        record.finish()
    if report:
        print(f"page: {write_generation_page(folder)}")
    counts = {MADE: len(missing) + len(unreadable) - len(reasons), THERE: there, LEFT_OUT: len(reasons)}
    print(f"{folder}: " + ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count))
    if reasons:
        share, written = f"{len(reasons)} of {len(files)} inputs", folder / GENERATION_FILE
        raise RunFailure(f"{share} could not be used; {written} says why: {reasons[0]}")
    print(f"next: {PROGRAM} evaluate --generated {folder} --reference CLIPS")
    return 0


def _missing(
    record: GenerationRecord, names: Mapping[Path, Sequence[str]], overwrite: bool
) -> tuple[list[Input], list[Outcome]]:
    """The inputs whose sounds are to be made, and those that cannot be read."""
    missing, unreadable = [], []
    for file, own in names.items():
        try:
            one = Input(file, own, {"source": str(file), "source_sha256": _sha256(file)})
        except RunFailure as error:
            unreadable.append(Outcome(Input(file, own, {"source": str(file)}), reason=str(error)))
            continue
        if overwrite or not all(_is_made(record, file, name, one.source["source_sha256"]) for name in own):
            missing.append(one)
    return missing, unreadable


def _record_all(record: GenerationRecord, made: Iterable[Outcome]) -> list[str]:
    """Write down what becomes of each input; the reasons of those that are left out."""
    reasons = []
    for outcome in made:
        for line in outcome.lines if outcome.reason is None else [f"left out: {outcome.reason}"]:
            print(line)
        if outcome.reason is None:
            record.add(outcome.sounds, {})
        else:
            reason = {"source": outcome.input.source["source"], "reason": outcome.reason}
            record.add({}, dict.fromkeys(outcome.input.names, reason))
            reasons.append(outcome.reason)
    return reasons


def find_inputs(inputs: Sequence[str]) -> list[Path]:
    """The files that are named, by patterns too, and the pictures and clips in folders that are named, each once.

    Raises:
        UsageError: when a name is nothing, or a folder holds nothing to use.
    """
    files: list[Path] = []
    for path in [Path(one) for given in inputs for one in _matching(given)]:
        if not path.is_file() and not path.is_dir():
            raise UsageError(f"{path}: there is no such file")
        found = find_media_files(path) if path.is_dir() else [path]
        if not found:
            raise UsageError(f"{path} holds no picture or clip")
        files += found
    return list({file.absolute(): file for file in files}.values())


def _matching(given: str) -> list[str]:
    """A name itself, or what a pattern with `*`, `?`, `[...]` or `**` stands for."""
    if Path(given).exists() or not has_magic(given):
        return [given]
    if not (found := sorted(glob(given, recursive=True))):
        raise UsageError(f"{given}: no file matches")
    return found


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
    suffixes = {file: (".wav", *(CONTAINERS if moves(file) else ())) for file in names}
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
