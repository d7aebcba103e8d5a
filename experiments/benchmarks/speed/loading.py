"""The compacted store against what waits for it: how long a batch takes beside a training step, and what two processes
of a node hold together. Clips have ten frames of width 512; `growth` has the same of a million.
"""

import time
from collections.abc import Iterator
from statistics import median

import torch

from experiments.benchmarks.speed.measuring import Row
from experiments.benchmarks.speed.stores import FRAMES, SPEC, WIDTH, LargeStore, node, scratch, together
from v2a_lightning.data_modules.compacted import compact
from v2a_lightning.mapper import Diffusion, TransformerMapper
from v2a_lightning.mapper.aggregators import AverageFrames
from v2a_lightning.module import V2AMapper

CLIPS, QUICK_CLIPS = 200_000, 2_000
STEP_BATCH, ROUNDS = 64, 3


def rows(quick: bool) -> Iterator[Row]:
    """Two processes on one store."""
    clips = QUICK_CLIPS if quick else CLIPS
    step = [_step_seconds(depth=1 if quick else 12) for _ in range(ROUNDS)]
    with scratch() as folder:
        copy = compact(LargeStore(folder, clips), SPEC).stat().st_size
        with node(folder, 2) as ranks:
            begun = sum(together(ranks, "memory"))
            opened = [max(together(ranks, "open")) for _ in range(ROUNDS)]
            yield _row(f"open {clips:,} clips", "", opened, "s", None, "in two processes at once; the slower one")
            epochs = [max(together(ranks, "epoch")) for _ in range(ROUNDS)]
            held = [(sum(together(ranks, "memory")) - begun) / copy]
            yield _row(f"memory of two processes, {clips:,} clips", "one copy", held, "x", 1.1, "after three epochs")
            shares = [100 * epoch / (clips / 2) / one for epoch, one in zip(epochs, step, strict=True)]
            note = "time a clip, beside another process that loads; the paper's mapper in float32"
            yield _row(f"loading, {clips:,} clips", "training step", shares, "%", 1.0, note)
            ready = [max(together(ranks, "set_up"))]
            note = "splits and hashes of ids included"
            yield _row(f"data module of {clips:,} clips ready", "", ready, "s", None, note)


def _row(what: str, against: str, values: list[float], unit: str, goal: float | None, note: str) -> Row:
    return Row(what, against, median(values), unit, goal, "lower", len(values), (min(values), max(values)), note)


def _step_seconds(depth: int) -> float:
    """A clip's part of a training step."""
    mapper = V2AMapper(TransformerMapper(depth=depth), Diffusion(), AverageFrames())
    optimizer = torch.optim.AdamW(mapper.parameters(), fused=True)
    frames, target = torch.randn(STEP_BATCH, FRAMES, WIDTH), torch.randn(STEP_BATCH, 1, WIDTH)
    mask, generator = torch.ones(STEP_BATCH, FRAMES, dtype=torch.bool), torch.Generator().manual_seed(0)

    def step() -> None:
        condition = mapper.aggregator(frames, mask, generator)
        mapper.objective.loss(mapper.network, condition, target, generator).mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    begun = time.perf_counter()
    step()
    return (time.perf_counter() - begun) / STEP_BATCH
