"""What of a machine with GPUs a training would leave idle. Nothing of it is wrong, and all of it costs time."""

import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from v2a_lightning.app.model_diagnostics import Finding

COMPILERS = ("cc", "gcc", "clang")


def check_idle(trainer: Mapping[str, Any], model: Mapping[str, Any], suite: Any = None) -> Iterator[Finding]:
    """A warning for each thing that would wait, with the key that changes it; none on a machine without a GPU.

    Args:
        trainer: the config's values for the Trainer.
        model: the config's values for the mapper.
        suite: the evaluation's metrics.
    """
    if not torch.cuda.is_available():
        return
    if trainer["accelerator"] == "cpu":
        yield Finding("warning", "idle", "the GPU: the config trains on the CPU", "trainer.accelerator=auto")
        return
    used, present = trainer["devices"], torch.cuda.device_count()
    if isinstance(used, int) and 0 < used < present:
        yield Finding("warning", "idle", f"{present - used} of {present} GPUs", f"trainer.devices={present}")
    if str(trainer["precision"]).startswith("32") or trainer["precision"] is None:
        text = "the units for 16 bits: the config trains in float32"
        yield Finding("warning", "idle", text, "trainer.precision=bf16-mixed")
    yield from _check_launches(model)
    if suite is not None and suite.options["device"] == "cpu":
        text = "the GPU, while metrics compute their features on the CPU"
        yield Finding("warning", "idle", text, "evaluation.suite.init_args.device=auto")


def _check_launches(model: Mapping[str, Any]) -> Iterator[Finding]:
    """Whether a step's kernels are launched one by one, and whether the processor waits for each step."""
    if not model.get("compile_network"):
        text = "the GPU, between the thousand small kernels of a step"
        yield Finding("warning", "idle", text, "model.init_args.compile_network=true")
    elif not any(map(shutil.which, COMPILERS)):
        text = f"the network cannot be compiled: none of {', '.join(COMPILERS)} is installed"
        yield Finding("error", "compiler", text, "install a C compiler, or model.init_args.compile_network=false")
    optimizer = model.get("optimizer")
    if optimizer is not None and not (optimizer.get("init_args") or {}).get("fused"):
        text = "the GPU, while the processor looks at each step's gradients: the optimizer is not fused"
        remedy = "model.init_args.optimizer.init_args.fused=true, for Adam, AdamW and SGD"
        yield Finding("warning", "idle", text, remedy)
