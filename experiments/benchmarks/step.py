"""How fast a training step of the mapper is against what the machine's arithmetic allows, measured side by side.

    python experiments/benchmarks/step.py --batch 448 --repeats 5 --write true

Writes `step.json` and `step.md`, and with `--write true` the table into this folder's README.md: the training step's
FLOP rate as a share of the machine's matrix product rate, training and sampling throughput against the same network
with 77 further tokens (as the public prior of this shape carries), and the share of a step that waits for data. Each
round measures everything once, and medians over rounds are reported. The rounds run in processes with the C library's
allocator as it comes, told to keep freed memory, and told to ask for huge pages too, since these alone can decide how
much of a step goes into page faults.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jsonargparse import ArgumentParser
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from v2a_lightning.data_modules.loaders import training_loader
from v2a_lightning.data_modules.table import EmbeddingDataset, EmbeddingTable
from v2a_lightning.files import atomic_write
from v2a_lightning.mapper import Diffusion, TransformerMapper
from v2a_lightning.mapper.aggregators import AverageFrames
from v2a_lightning.module import V2AMapper
from v2a_lightning.reports.tables import write_section

KEEPING = {"MALLOC_MMAP_THRESHOLD_": str(2**32), "MALLOC_TRIM_THRESHOLD_": str(2**34), "MALLOC_TOP_PAD_": str(2**28)}
ALLOCATORS: dict[str, dict[str, str]] = {
    "as it comes": {},
    "keeping freed memory": KEEPING,
    "keeping, huge pages": {**KEEPING, "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"},
}
PRODUCTS = 20
README = Path(__file__).with_name("README.md")
# What is to be reached: at least, or at most, so much.
GOALS = {
    "training step, share of sgemm": ("at least", 0.92),
    "training, times as fast": ("at least", 27.0),
    "waiting for data, share of a step": ("at most", 0.05),
}
FRAMES = 10
"""Frames of a clip in the data that is loaded: one a second of ten seconds."""


@dataclass(frozen=True)
class Settings:
    """What is measured.

    Args:
        batch: clips in a training step.
        prior_batch: clips in a training step with 77 further tokens, which need twenty times the memory each.
        sampling_batch: clips that are sampled at once.
        sampling_steps: diffusion steps of sampling.
        depth: blocks of the transformer.
        square: rows and columns of the matrices whose product is the machine's pace.
        repeats: rounds for each allocator; medians are reported.
        threads: processor threads; as many as PyTorch takes when not given.
    """

    batch: int = 448
    prior_batch: int = 16
    sampling_batch: int = 64
    sampling_steps: int = 10
    depth: int = 12
    square: int = 2048
    repeats: int = 5
    threads: int | None = None


def benchmark(settings: Settings, folder: Path, readme: Path | None = None) -> None:
    """Measure with each allocator, write the figures (into the section `step` of a README too), print the table."""
    results = {name: _in_own_process(settings, environment) for name, environment in ALLOCATORS.items()}
    machine = _machine(settings.threads)
    report = {"settings": asdict(settings), "machine": machine, "allocators": ALLOCATORS, "results": results}
    with atomic_write(folder / "step.json") as temporary:
        temporary.write_text(json.dumps(report, indent=2) + "\n")
    with atomic_write(folder / "step.md") as temporary:
        temporary.write_text(_table(report))
    if readme is not None:
        write_section("step", _table(report), readme)
    print((folder / "step.md").read_text())


def _in_own_process(settings: Settings, environment: dict[str, str]) -> dict[str, float]:
    # The allocator reads its settings once, when a process starts.
    command = [sys.executable, __file__, "--measure", json.dumps(asdict(settings))]
    finished = subprocess.run(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, check=True)
    return dict(json.loads(finished.stdout.splitlines()[-1]))


def measure(settings: Settings) -> dict[str, float]:
    """All rounds in this process: medians by name."""
    if settings.threads:
        torch.set_num_threads(settings.threads)
    torch.manual_seed(0)
    ours, prior = _mapper(settings.depth), _mapper(settings.depth, registers=77)
    batches = {"ours": settings.batch, "prior": settings.prior_batch}
    steps = {"ours": TrainingStep(ours, batches["ours"]), "prior": TrainingStep(prior, batches["prior"])}
    draw = settings.sampling_batch, settings.sampling_steps
    tasks: dict[str, Callable[[], object]] = {
        "sgemm": MatrixProducts(settings.square, settings.square, settings.square),
        "own sgemm": MatrixProducts(4 * settings.batch, 512, 2048),
        "step": steps["ours"],
        "loading": Loading(batches["ours"]),
        "prior step": steps["prior"],
        "sampling": Sampling(ours, *draw),
        "prior sampling": Sampling(prior, *draw),
    }
    for task in tasks.values():
        task()
    rounds = [{name: _seconds(task) for name, task in tasks.items()} for _ in range(settings.repeats)]
    figures = [_figures(seconds, steps["ours"].flops, batches, settings) for seconds in rounds]
    return {name: statistics.median(figure[name] for figure in figures) for name in figures[0]}


def _figures(seconds: dict[str, float], flops: int, batches: dict[str, int], settings: Settings) -> dict[str, float]:
    sgemm = PRODUCTS * 2 * settings.square**3 / seconds["sgemm"]
    own = PRODUCTS * 2 * 4 * settings.batch * 512 * 2048 / seconds["own sgemm"]
    step = flops / seconds["step"]
    trained, prior = batches["ours"] / seconds["step"], batches["prior"] / seconds["prior step"]
    sampled, prior_sampled = (settings.sampling_batch / seconds[name] for name in ("sampling", "prior sampling"))
    return {
        f"sgemm of {settings.square} x {settings.square} matrices, GFLOP/s": sgemm / 1e9,
        "sgemm of the step's own matrices, GFLOP/s": own / 1e9,
        "training step, GFLOP/s": step / 1e9,
        "training step, share of sgemm": step / sgemm,
        "training step, share of its own sgemm": step / own,
        "training step, s": seconds["step"],
        "training, clips/s": trained,
        "training with 77 null tokens, clips/s": prior,
        "training, times as fast": trained / prior,
        "sampling, clips/s": sampled,
        "sampling with 77 null tokens, clips/s": prior_sampled,
        "sampling, times as fast": sampled / prior_sampled,
        "waiting for data, share of a step": seconds["loading"] / (seconds["loading"] + seconds["step"]),
    }


class MatrixProducts:
    """Single-precision products (rows, inner) x (inner, columns): so many that it takes about as long as a step."""

    def __init__(self, rows: int, inner: int, columns: int) -> None:
        self.factors = torch.randn(rows, inner), torch.randn(inner, columns)
        self.product = torch.empty(rows, columns)

    def __call__(self) -> None:
        for _ in range(PRODUCTS):
            torch.mm(*self.factors, out=self.product)


class TrainingStep:
    """Forward, backward and the optimiser's step, and how many floating point operations the first two are."""

    def __init__(self, mapper: V2AMapper, count: int) -> None:
        self.mapper = mapper
        self.optimizer: torch.optim.Optimizer = mapper.configure_optimizers()
        self.batch = _embeddings(count)
        self.generator = torch.Generator().manual_seed(0)
        with FlopCounterMode(display=False) as counter:
            self()
        self.flops = counter.get_total_flops()

    def __call__(self) -> None:
        frames, target = self.batch
        mask = torch.ones(frames.shape[:2], dtype=torch.bool)
        condition = self.mapper.aggregator(frames, mask, self.generator)
        self.mapper.objective.loss(self.mapper.network, condition, target, self.generator).mean().backward()
        self.optimizer.step()
        self.optimizer.zero_grad()


class Sampling:
    """Embeddings of a batch of clips, from noise."""

    def __init__(self, mapper: V2AMapper, count: int, steps: int) -> None:
        self.mapper, self.steps = mapper, steps
        self.frames = _embeddings(count)[0]
        self.generator = torch.Generator().manual_seed(0)

    def __call__(self) -> Tensor:
        return self.mapper.sample(self.frames, generator=self.generator, steps=self.steps)


class Loading:
    """The next training batch of a table of embeddings in memory."""

    def __init__(self, count: int) -> None:
        clips = 4 * count
        names = [f"clip_{index:06d}" for index in range(clips)]
        frames, target = _embeddings(clips)
        lengths = torch.full((clips,), FRAMES)
        table = EmbeddingTable(names, names, names, names, frames.half(), lengths, target.half())
        self.loader = training_loader(EmbeddingDataset(table, range(clips)), count, seed=0, rank=0, ranks=1)
        self.batches = iter(self.loader)

    def __call__(self) -> Any:
        batch = next(self.batches, None)
        if batch is None:
            self.batches = iter(self.loader)
            batch = next(self.batches)
        return batch


def _mapper(depth: int, registers: int = 0) -> V2AMapper:
    return V2AMapper(TransformerMapper(depth=depth, registers=registers), Diffusion(), AverageFrames())


def _embeddings(count: int) -> tuple[Tensor, Tensor]:
    normalise = torch.nn.functional.normalize
    return normalise(torch.randn(count, FRAMES, 512), dim=-1), normalise(torch.randn(count, 1, 512), dim=-1)


def _seconds(task: Callable[[], object]) -> float:
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def _machine(threads: int | None) -> dict[str, Any]:
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": threads or torch.get_num_threads(),
        "load": os.getloadavg()[0],
        "torch": torch.__version__,
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _table(report: dict[str, Any]) -> str:
    settings, machine, results = report["settings"], report["machine"], report["results"]
    names = list(results)
    rows = [
        f"| {name} | " + " | ".join(f"{results[column][name]:.3g}" for column in names) + " |"
        for name in results[names[0]]
    ]
    asked = [
        f"- {name}: `{' '.join(f'{key}={value}' for key, value in environment.items())}`"
        for name, environment in report["allocators"].items()
        if environment
    ]
    return "\n".join(
        [
            f"Medians of {settings['repeats']} rounds on {machine['processor']}, {machine['threads']} threads of "
            f"{machine['cores']} cores, load {machine['load']:.1f}, torch {machine['torch']}; batch "
            f"{settings['batch']}, {settings['depth']} blocks; with 77 null tokens in batches of "
            f"{settings['prior_batch']}; sampling {settings['sampling_batch']} clips in "
            f"{settings['sampling_steps']} steps.",
            "",
            "| | " + " | ".join(f"allocator {name}" for name in names) + " |",
            "|---" * (len(names) + 1) + "|",
            *rows,
            "",
            *_reached(results),
            "",
            *asked,
            "",
        ]
    )


def _reached(results: dict[str, dict[str, float]]) -> list[str]:
    """A line for each goal: the best of the columns against it."""
    lines = []
    for name, (side, goal) in GOALS.items():
        best = (max if side == "at least" else min)(results, key=lambda column: results[column][name])
        value = results[best][name]
        met = value >= goal if side == "at least" else value <= goal
        lines.append(
            f"- {name}: {value:.3g} (allocator {best}), goal {side} {goal:g}: {'reached' if met else '**missed**'}"
        )
    return lines


def main() -> None:
    """The command."""
    parser = ArgumentParser(description=__doc__)
    parser.add_class_arguments(Settings)
    parser.add_argument("--output", type=Path, default=Path("runs/benchmarks"), help="folder for step.json and step.md")
    parser.add_argument(
        "--write", type=bool, default=False, help=f"write the table into {README.name} beside this file"
    )
    options = vars(parser.parse_args())
    folder, write = options.pop("output"), options.pop("write")
    benchmark(Settings(**options), folder, README if write else None)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(Settings(**json.loads(sys.argv[2])))))
    else:
        main()
