"""What of a config would go wrong in a run: its weights, device, memory, disk and data."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from v2a_lightning.app.config_objects import ConfigReader
from v2a_lightning.app.data_diagnostics import GIGABYTE, check_data
from v2a_lightning.app.messages import one_line
from v2a_lightning.app.model_diagnostics import Finding, check_file, check_model, weight_bytes
from v2a_lightning.assembled_mapper import Mapper
from v2a_lightning.checkpoints.frozen_model import READING_ERRORS, first_line
from v2a_lightning.data_modules import ClipDataModule
from v2a_lightning.errors import V2AError
from v2a_lightning.generators import Condition, Generator
from v2a_lightning.widths import Widths

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
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
