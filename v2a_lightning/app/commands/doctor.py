"""`doctor`: what would go wrong, found before a long run instead of in it."""

import logging
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch

from v2a_lightning.app.data_diagnostics import check_data
from v2a_lightning.app.messages import PROGRAM, one_line
from v2a_lightning.app.model_diagnostics import Finding, check_file, check_model, check_same_clap, weight_bytes
from v2a_lightning.data_modules import ClipDataModule
from v2a_lightning.encoders import ClapEncoder, ClipEncoder
from v2a_lightning.errors import UsageError, V2AError
from v2a_lightning.generators import AudioLDM

if TYPE_CHECKING:
    from v2a_lightning.app.lightning_cli import MapperCLI

EXIT_CODES = {"ok": 0, "error": 1, "warning": 3}
GIGABYTE = 1e9
MANY_PARAMETERS_BYTES = 200e6
GENERATION_BYTES_PER_SECOND = 34e6
"""Memory that AudioLDM-S takes for each second of each clip at once, in float32, beside its weights; measured by
`python -m tests.full.generation_memory`."""


def doctor(config: list[str], set: list[str] | None = None, fetch: bool = False) -> int:
    """Check everything a run needs: weights, device, memory, disk and data.

    Each line is ok, a warning or an error, with what to do about it. The exit code is 0 when all is ok, 1 when there
    is an error, 3 when the worst is a warning, and 2 when the config itself is wrong.

    Args:
        config: the YAML that `fit` would be given.
        set: keys that `fit` would be given beside it, such as `data.csv=clips.csv`.
        fetch: download checkpoints that are not on this machine.
    """
    cli = read_config(config, set or [])
    worst = "ok"
    for finding in examine(cli, fetch):
        print(f"{finding.level:<8} {finding.subject:<10} {finding.text}")
        if finding.remedy:
            print(f"{'':<8} {'':<10} -> {finding.remedy}")
        worst = max(worst, finding.level, key=["ok", "warning", "error"].index)
    print(f"\nall in all: {worst}")
    return EXIT_CODES[worst]


def read_config(config: Sequence[str], settings: Sequence[str]) -> "MapperCLI":
    """The objects that a config names, without a trainer and without any weights.

    Raises:
        UsageError: when the config is wrong.
    """
    from jsonargparse import ArgumentError
    from omegaconf.errors import OmegaConfBaseException

    from v2a_lightning.app.lightning_cli import MapperCLI

    # Lightning tells which seed it sets; nothing is drawn here.
    logging.getLogger("lightning.fabric.utilities.seed").setLevel(logging.WARNING)

    class ConfigReader(MapperCLI):
        def instantiate_classes(self) -> None:
            self.config_init = self.parser.instantiate_classes(self.config)

    arguments = [word for path in config for word in ("--config", path)]
    try:
        return ConfigReader("fit", [*arguments, *(f"--{key.lstrip('-')}" for key in settings)])
    except (ArgumentError, OmegaConfBaseException, TypeError, ValueError, OSError) as error:
        raise UsageError(f"{one_line(error)}; `{PROGRAM} fit --help` lists the keys") from error


def examine(cli: "MapperCLI", fetch: bool) -> Iterator[Finding]:
    """All findings about a config, in the order in which a run would come upon them."""
    data = cli.config_init["data"]
    evaluation = cli.config_init["evaluation"]
    encoders = getattr(data, "encoders", None)
    clip, clap = getattr(encoders, "clip", None), getattr(encoders, "clap", None)
    audioldm = getattr(evaluation, "audioldm", None)
    sizes: dict[str, int] = {}
    for model in (clip, clap, audioldm):
        if isinstance(model, (ClipEncoder, ClapEncoder, AudioLDM)):
            findings = list(check_model(model, fetch))
            yield from findings
            if all(finding.level != "error" for finding in findings):
                sizes[model.kind] = weight_bytes(model)
    if isinstance(clap, ClapEncoder) and isinstance(audioldm, AudioLDM) and {"clap", "audioldm"} <= sizes.keys():
        yield check_same_clap(clap, audioldm)
        yield from check_rates(data, audioldm)
    yield from check_evaluators(evaluation, fetch)
    yield check_device(cli.config_init["trainer"], sizes, getattr(audioldm, "dtype", torch.float32))
    if isinstance(audioldm, AudioLDM) and "audioldm" in sizes:
        yield check_memory(audioldm, evaluation.seconds, sizes)
    if isinstance(data, ClipDataModule):
        yield from check_data(data, encoders_are_there={"clip", "clap"} <= sizes.keys())


def check_evaluators(evaluation: Any, fetch: bool) -> Iterator[Finding]:
    """The networks that metrics listen with."""
    ears = getattr(getattr(evaluation, "suite", None), "ears", {})
    for name, ear in ears.items():
        kind, checkpoint = getattr(ear, "kind", None), getattr(ear, "checkpoint", None)
        if kind is None or checkpoint is None:
            continue
        file = check_file(kind, checkpoint, fetch)
        yield file
        if file.level == "error":
            continue
        try:
            yield Finding("ok", kind, f"opens: {ear.sample_rate} Hz, as the evaluation's {name}")
        except (V2AError, RuntimeError, OSError, KeyError, ValueError) as error:
            yield Finding("error", kind, f"{checkpoint} cannot be used: {one_line(error)}", "fetch it again")


def check_rates(data: Any, audioldm: AudioLDM) -> Iterator[Finding]:
    """Whether reference sounds are at the generated ones' rate."""
    rate = data.encoders.audio.sample_rate
    if rate != audioldm.sample_rate:
        text = f"clips are heard at {rate} Hz and AudioLDM makes {audioldm.sample_rate} Hz"
        yield Finding("warning", "audio", text, f"data.audio.sample_rate={audioldm.sample_rate}")


def check_device(trainer: Any, sizes: dict[str, int], generation: torch.dtype) -> Finding:
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
    wants_bfloat16 = precision.startswith("bf16") or generation == torch.bfloat16
    if wants_bfloat16 and not torch.cuda.is_bf16_supported(including_emulation=False):
        remedy = "trainer.precision=16-mixed and evaluation.audioldm.dtype=float16"
        return Finding("warning", "device", f"{text}; it has no units for bfloat16", remedy)
    return Finding("ok", "device", text)


def check_memory(audioldm: AudioLDM, seconds: float, sizes: dict[str, int]) -> Finding:
    """How many clips can be generated at once beside the frozen models' weights. Computed, not tried."""
    on_gpu = torch.cuda.is_available()
    memory = torch.cuda.get_device_properties(0).total_memory if on_gpu else machine_memory()
    weights, each = sum(sizes.values()), GENERATION_BYTES_PER_SECOND * seconds
    fits = int(max(0, 0.8 * memory - weights) / each)
    text = f"{memory / GIGABYTE:.1f} GB; frozen weights {weights / GIGABYTE:.2f} GB; room for {fits} clips at once"
    text += " (computed, as for float32)"
    if fits >= audioldm.batch_size:
        return Finding("ok", "memory", f"{text}, batch_size is {audioldm.batch_size}")
    remedy = f"evaluation.audioldm.batch_size={max(1, fits)}, or dtype=bfloat16 for clip, clap and audioldm"
    return Finding("warning", "memory", f"{text}, batch_size is {audioldm.batch_size}", remedy)


def machine_memory() -> int:
    """Bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
