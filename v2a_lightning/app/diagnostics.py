"""What of a config would go wrong in a run: its weights, device, memory, disk and data."""

import ctypes
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from v2a_lightning.app.config_objects import ConfigReader
from v2a_lightning.app.idle_diagnostics import check_idle
from v2a_lightning.app.messages import PROGRAM, one_line
from v2a_lightning.app.model_diagnostics import Finding, Level, check_file, check_model, free_bytes, weight_bytes
from v2a_lightning.assembled_mapper import Mapper
from v2a_lightning.checkpoints.frozen_model import READING_ERRORS, first_line
from v2a_lightning.data_modules import Clip, ClipDataModule, EncodedDataModule, MiniatureDataModule
from v2a_lightning.data_modules.manifest import read_manifest
from v2a_lightning.errors import V2AError
from v2a_lightning.generators import Condition, Generator
from v2a_lightning.media import MediaError, read_audio, read_frames
from v2a_lightning.media.remote import local_file
from v2a_lightning.widths import Widths

SAMPLED_CLIPS = 5
GIGABYTE = 1e9
MANY_PARAMETERS_BYTES = 200e6


def examine(config: ConfigReader, fetch: bool) -> Iterator[Finding]:
    """All findings about a config, in the order in which a run would come upon them."""
    made = config.make("data", "evaluation", "averaging", "trainer", "run")
    data, evaluation = made.data, made.evaluation
    encoders, generator = getattr(data, "encoders", None), getattr(evaluation, "generator", None)
    visual = list(encoders.by_name.values()) if encoders is not None else []
    target = getattr(encoders, "clap", None)
    sizes: dict[int, int] = {}
    for model in filter(None, (*visual, target, generator)):
        findings = list(check_model(model, fetch))
        yield from findings
        if all(finding.level != "error" for finding in findings):
            sizes[id(model)] = weight_bytes(model)
    widths: Widths | None = None
    if encoders is not None and all(id(model) in sizes for model in (*visual, target) if model is not None):
        widths = encoders.widths()
        yield from check_mapper(config)
    if isinstance(generator, Generator) and {id(target), id(generator)} <= sizes.keys():
        yield from check_target(target, generator)
        yield from check_rates(data, generator)
    yield from check_extractors(evaluation, fetch)
    yield check_device(made.trainer, sizes, generator)
    yield from check_idle(made.trainer, config.config.model.init_args, getattr(evaluation, "suite", None))
    if isinstance(generator, Generator) and generator.bytes_per_second and id(generator) in sizes:
        yield check_memory(generator, evaluation.seconds, sum(sizes.values()))
    if isinstance(data, ClipDataModule):
        yield from check_data(data, widths)


def check_mapper(config: ConfigReader) -> Iterator[Finding]:
    """Whether the mapper can be made, for these encoders' widths and these targets."""
    try:
        values, widths = config.with_widths(config.config)
        model = config.parser.instantiate_classes(values)["model"]
        if widths is not None and isinstance(model, Mapper):
            widths.refuse_others(model)
    except (V2AError, TypeError, ValueError) as error:
        yield Finding("error", "mapper", one_line(error), "correct the keys of model")


def check_target(target: Any, generator: Generator) -> Iterator[Finding]:
    """Whether the targets that the mapper is trained for are what the generator is conditioned on."""
    subject, wanted = getattr(target, "kind", target.name), generator.condition
    found = target.condition if isinstance(target, Generator) else Condition(1, target.embedding_dim)
    if (found.tokens, found.width) != (wanted.tokens, wanted.width):
        shape = f"{wanted.tokens} x {wanted.width}"
        text = f"its targets have {found.tokens} x {found.width} numbers, {generator.name} takes {shape}"
        yield Finding("error", subject, text, f"name one that computes {shape}, or another generator")
        return
    checkpoint = getattr(generator, "checkpoint", generator.name)
    remedy = f"name the generator's checkpoint ({checkpoint}) for {subject} too, if it holds its own"
    try:
        agreement = generator.agreement(target)
    except (V2AError, *READING_ERRORS) as error:
        yield Finding("error", subject, f"cannot be compared with the generator's: {first_line(error)}", remedy)
        return
    if agreement is None:
        return
    what = "the one the generator was trained with"
    if agreement.same:
        yield Finding("ok", subject, f"is {what}: {agreement.evidence}")
    elif agreement.same is None:
        yield Finding("warning", subject, f"may not be {what}: {agreement.evidence}", remedy)
    else:
        yield Finding("error", subject, f"is not {what}: {agreement.evidence}", remedy)


def check_extractors(evaluation: Any, fetch: bool) -> Iterator[Finding]:
    """The networks whose features the metrics compare."""
    extractors: Mapping[str, Any] = getattr(getattr(evaluation, "suite", None), "extractors", {})
    for name, extractor in extractors.items():
        kind, checkpoint = getattr(extractor, "kind", None), getattr(extractor, "checkpoint", None)
        if kind is None or checkpoint is None:
            continue
        file = check_file(kind, checkpoint, fetch)
        yield file
        if file.level == "error":
            continue
        try:
            yield Finding("ok", kind, f"opens: {extractor.sample_rate} Hz, as the evaluation's {name}")
        except (V2AError, *READING_ERRORS) as error:
            yield Finding("error", kind, f"{checkpoint} cannot be used: {one_line(error)}", "fetch it again")


def check_rates(data: Any, generator: Generator) -> Iterator[Finding]:
    """Whether reference sounds are at the generated ones' rate."""
    rate = data.encoders.audio.sample_rate
    if rate != generator.sample_rate:
        text = f"clips are read at {rate} Hz and {generator.name} makes {generator.sample_rate} Hz"
        yield Finding("warning", "audio", text, f"data.audio.sample_rate={generator.sample_rate}")


def check_device(trainer: Any, sizes: Mapping[int, int], generator: Any) -> Finding:
    """What the run computes on, and whether the precisions of training and of generation suit it."""
    precision = str(trainer["precision"] or "32-true")
    if not torch.cuda.is_available() or trainer["accelerator"] == "cpu":
        memory = f"{machine_memory() / GIGABYTE:.1f} GB of memory"
        text = f"CPU, {os.cpu_count()} processors, {memory}, precision {precision}"
        if sum(sizes.values()) < MANY_PARAMETERS_BYTES:
            return Finding("ok", "device", text)
        return Finding("warning", "device", text, "weights of this size want a GPU; without one a clip takes minutes")
    names = {torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())}
    text = f"{torch.cuda.device_count()} x {', '.join(sorted(names))}, precision {precision}"
    wants_bfloat16 = precision.startswith("bf16") or getattr(generator, "dtype", None) == torch.bfloat16
    if wants_bfloat16 and not torch.cuda.is_bf16_supported(including_emulation=False):
        remedy = "trainer.precision=16-mixed and evaluation.generator.dtype=float16"
        return Finding("warning", "device", f"{text}; it has no units for bfloat16", remedy)
    return Finding("ok", "device", text)


def check_memory(generator: Generator, seconds: float, weights: int) -> Finding:
    """How many clips can be generated at once beside the frozen models' weights, in bytes. Computed, not tried."""
    on_gpu = torch.cuda.is_available()
    memory = torch.cuda.get_device_properties(0).total_memory if on_gpu else machine_memory()
    fits = int(max(0, 0.8 * memory - weights) / (generator.bytes_per_second * seconds))
    text = f"{memory / GIGABYTE:.1f} GB; frozen weights {weights / GIGABYTE:.2f} GB; room for {fits} clips at once"
    text += f" (computed, as for float32), batch_size is {generator.batch_size}"
    if fits >= generator.batch_size:
        return Finding("ok", "memory", text)
    remedy = f"evaluation.generator.batch_size={max(1, fits)}, or dtype=bfloat16 for encoders and generator"
    return Finding("warning", "memory", text, remedy)


def machine_memory() -> int:
    """Bytes of memory of this machine."""
    if sys.platform != "win32":
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    kilobytes = ctypes.c_ulonglong()
    ctypes.windll.kernel32.GetPhysicallyInstalledSystemMemory(ctypes.byref(kilobytes))
    return kilobytes.value * 1024


def check_data(data: ClipDataModule, widths: Widths | None) -> Iterator[Finding]:
    """Whether clips are there and can be decoded, and whether their embeddings are there, or fit on the disk.

    Args:
        data: of the config.
        widths: of its embeddings; None when the encoders' weights cannot be read, without which stores cannot be told
            apart.
    """
    if isinstance(data, MiniatureDataModule) and not (data.root / "vggsound.csv").is_file():
        yield Finding("ok", "data", "clips are rendered when the run begins")
        return
    try:
        named, present = data.named_clips, data.candidates
        if isinstance(data, EncodedDataModule) and data.manifest is not None:
            read_manifest(data.manifest)
    except V2AError as error:
        yield Finding("error", "data", str(error), "correct the keys of data, such as data.csv, data.media, data.store")
        return
    yield _check_presence(named, present)
    if data.unused_splits:
        yield Finding("warning", "data", data.unused_splits, "correct the splits' names, or data.splits.test_split")
    if present and isinstance(data, EncodedDataModule):
        yield _check_decoding(data, present)
        if widths and data.mode == "cached":
            yield _check_store(data, present)
            yield _check_disk(data, len(present), widths)


def _check_presence(named: Sequence[Clip], present: Sequence[Clip]) -> Finding:
    """How many of the clips have a file, by split."""
    splits = sorted({clip.split for clip in present})
    counts = ", ".join(f"{sum(clip.split == split for clip in present)} {split}" for split in splits)
    text = f"{len(present)} of {len({clip.clip_id for clip in named})} clips have a file ({counts or 'none'})"
    if not present:
        return Finding("error", "data", text, "data.media names the folder of <youtube id>_<start, 6 digits>.mp4")
    if any(clip.path is None for clip in named):
        remedy = f"`{PROGRAM} download` fetches clips, `{PROGRAM} manifest` lists what is missing"
        return Finding("warning", "data", text, remedy)
    return Finding("ok", "data", text)


def _check_decoding(data: EncodedDataModule, present: Sequence[Clip]) -> Finding:
    """Decode a few clips, spread over the list."""
    chosen: list[Any] = [one.path for one in present[:: max(1, len(present) // SAMPLED_CLIPS)] if one.path]
    chosen, failures = chosen[:SAMPLED_CLIPS], []
    for path in chosen:
        try:
            with local_file(path) as file:
                read_frames(file, data.encoders.frames)
                if data.encoders.audio is not None:
                    read_audio(file, data.encoders.audio)
        except MediaError as error:
            failures.append(str(error))
    text = f"{len(chosen) - len(failures)} of {len(chosen)} clips decode"
    if not failures:
        return Finding("ok", "decoding", text)
    level: Level = "error" if len(failures) == len(chosen) else "warning"
    return Finding(level, "decoding", f"{text}; {failures[0]}", f"`{PROGRAM} manifest` lists which clips can be used")


def _check_store(data: EncodedDataModule, present: Sequence[Clip]) -> Finding:
    """Whether the store may take these encoders' embeddings, and how many it has."""
    try:
        spec = data.encoders.spec()
        data.store.refuse_others(spec)
        embedded = set.intersection(*(data.store.clip_ids(tower) for tower in spec.towers))
    except (V2AError, OSError) as error:
        return Finding("error", "store", str(error), "name another data.store, or the encoders it was made with")
    done = sum(clip.clip_id in embedded for clip in present)
    return Finding("ok", "store", f"{data.store.url} has the embeddings of {done} of {len(present)} clips")


def _check_disk(data: EncodedDataModule, clips: int, widths: Widths) -> Finding:
    """Whether the embedding store has room."""
    if "://" in data.store_url:
        return Finding("ok", "disk", f"the store is at {data.store_url}, whose room is not known")
    numbers = data.encoders.frames.count * widths.condition_dim + (widths.tokens or 0) * (widths.target_dim or 0)
    needed, free = clips * numbers * (2 if data.precision == "float16" else 4), free_bytes(Path(data.store_url))
    text = f"embeddings take {needed / GIGABYTE:.2f} GB (computed), {free / GIGABYTE:.1f} GB are free"
    if needed < 0.9 * free:
        return Finding("ok", "disk", text)
    return Finding("error", "disk", text, "make room, or name another data.store")
