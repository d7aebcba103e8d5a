"""How fast this project is on a GPU: `python -m experiments.benchmarks.gpu`, a few minutes.

Trains experiments/v2a_mapper.yaml on as many clips as VGGSound has, whose embeddings are made up, so that neither data
nor weights are needed. Writes runs/benchmarks/gpu.json: whoever runs it, please send that file back in an issue.
Without a GPU it measures the CPU, for which `--clips 2000` is plenty.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from experiments.benchmarks.speed.fit import fit
from experiments.benchmarks.speed.machine import machine
from experiments.benchmarks.speed.measuring import PROJECT, Row, Timing
from v2a_lightning.devices import choose_device

CONFIG = "v2a_mapper.yaml"
VGGSOUND, BATCH = 180_055, 448
SQUARE = 8192
# What the CUDA runtime is called for: to start work on the GPU, and to wait for it.
LAUNCHES = ("cudaLaunch", "cuLaunch", "cudaGraphLaunch", "cudaMemcpyAsync", "cudaMemsetAsync")
WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize", "cudaMemcpy ")


def rows(clips: int, batch: int, epochs: int, depth: int) -> Iterator[Row]:
    """The figures of this machine."""
    device = torch.device(choose_device("auto"))
    precision = "bf16-mixed" if device.type == "cuda" else "32-true"
    options = [f"--model.network.init_args.depth={depth}"]
    trainer: dict[str, Any] = {"accelerator": "auto", "precision": precision}
    inside = Inside(batch, first=min(20, clips // batch // 2), steps=min(20, clips // batch // 4))
    fast = fit(CONFIG, options, clips, batch, epochs, callbacks=[inside], **trainer).timings
    what = f"epoch of {clips:,} clips, {precision}, batch {batch}"
    yield _seconds(what, "", fast, 2.0 if clips == VGGSOUND else None)
    plain = [*options, "--model.init_args.compile_network=false"]
    slow = fit(CONFIG, plain, clips, batch, max(1, epochs // 2), **trainer).timings
    yield _seconds(f"{what}, network not compiled", "", slow, None)
    rate = inside.operations * (clips / batch) / statistics.median(one.wall for one in fast)
    peak = product_rate(device, torch.bfloat16 if precision == "bf16-mixed" else torch.float32)
    share = 100 * rate / peak
    note = f"{rate / 1e12:.3g} TFLOP/s over the epoch, of {peak / 1e12:.3g}"
    yield Row("arithmetic of an epoch", "a large matrix product", share, "%", None, "higher", 1, (share, share), note)
    for name, counts, goal in (("launches", LAUNCHES, 300.0), ("waits for the GPU", WAITS, 0.0)):
        if device.type == "cuda":
            value = inside.count(counts)
            yield Row(f"{name} in a step", "", value, "", goal, "lower", inside.steps, (value, value), inside.note())
    sample, save = inside.sampling, inside.saving
    yield Row(f"sampling of {batch} clips, 64 steps", "", sample, "s", None, "lower", 1, (sample, sample))
    yield Row("saving a checkpoint", "", save, "s", None, "lower", 1, (save, save))
    if device.type == "cuda":
        memory = torch.cuda.max_memory_allocated() / 1e9
        yield Row("peak memory on the GPU", "", memory, "GB", None, "lower", 1, (memory, memory))


class Inside(Callback):
    """Looks into a fit, in its last epochs' shadow: what steps call, what one computes, what sampling and saving take.

    Args:
        batch: clips of a batch.
        first: the step of the first epoch, which is not timed, from which on calls are counted.
        steps: how many steps are counted.
    """

    def __init__(self, batch: int, first: int, steps: int) -> None:
        self.batch, self.first, self.steps = batch, first, max(1, steps)
        self.operations, self.sampling, self.saving = 0, 0.0, 0.0
        self.calls: dict[str, int] = {}
        self._profile = profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA])

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if trainer.current_epoch:
            return
        if batch_idx == self.first:
            self._profile.__enter__()
        elif batch_idx == self.first + self.steps:
            self._profile.__exit__(None, None, None)
            self.calls = {event.key: event.count for event in self._profile.key_averages()}

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Everything after the last step."""
        mapper: Any = pl_module
        frames, target = self._like(mapper, 10), self._like(mapper, 1)
        condition = torch.nn.functional.normalize(frames.mean(1), dim=-1)
        generator = torch.Generator(mapper.device).manual_seed(0)
        with trainer.precision_plugin.forward_context():
            with FlopCounterMode(display=False) as counter, torch.enable_grad():
                mapper.objective.loss(mapper.network, condition, target, generator).mean().backward()
            self.operations = counter.get_total_flops()
            sample = lambda: mapper.sample(frames, generator=generator)  # noqa: E731
            sample()
            self.sampling = _took(sample)
        with tempfile.TemporaryDirectory() as folder:
            self.saving = _took(lambda: trainer.save_checkpoint(Path(folder) / "one.ckpt"))

    def count(self, names: tuple[str, ...]) -> float:
        """Calls of a step whose names begin with one of these."""
        return sum(count for name, count in self.calls.items() if name.startswith(names)) / self.steps

    def note(self) -> str:
        """The calls of a step by name."""
        named = {name: count / self.steps for name, count in self.calls.items() if name.startswith((*LAUNCHES, *WAITS))}
        return ", ".join(f"{name} {count:.3g}" for name, count in sorted(named.items()))

    def _like(self, mapper: Any, count: int) -> torch.Tensor:
        return torch.nn.functional.normalize(torch.randn(self.batch, count, 512, device=mapper.device), dim=-1)


def product_rate(device: torch.device, dtype: torch.dtype, rounds: int = 10) -> float:
    """Operations a second of square matrix products: what this machine can do."""
    side = SQUARE if device.type == "cuda" else SQUARE // 8
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    _took(lambda: left @ right)
    return rounds * 2 * side**3 / _took(lambda: [left @ right for _ in range(rounds)])


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="experiments.benchmarks.gpu", description=__doc__)
    parser.add_argument("--clips", type=int, default=VGGSOUND)
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--epochs", type=int, default=5, help="that are timed")
    parser.add_argument("--depth", type=int, default=12, help="blocks of the network")
    parser.add_argument("--output", type=Path, default=PROJECT / "runs/benchmarks/gpu.json")
    given = parser.parse_args(arguments)
    measured = []
    for row in rows(given.clips, given.batch, given.epochs, given.depth):
        measured.append({**asdict(row), "met": row.met})
        print(f"{row.what}: {row.value:.4g} {row.unit}" + (f" (goal {row.goal:g})" if row.goal is not None else ""))
    names = {torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())}
    report = {"machine": machine(), "gpu": sorted(names), "cuda": torch.version.cuda, "rows": measured}
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(report, indent=2) + "\n")
    print(f"written to {given.output}; please send it back in an issue")
    return 0


def _seconds(what: str, against: str, timings: list[Timing], goal: float | None) -> Row:
    walls = [one.wall for one in timings]
    return Row(what, against, statistics.median(walls), "s", goal, "lower", len(walls), (min(walls), max(walls)))


def _took(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


if __name__ == "__main__":
    raise SystemExit(main())
