"""A training step of the paper's size, 48.8 M parameters, as experiments/v2a_mapper.yaml trains it: its optimiser, its
clipping, its average of the weights. The peer is the public prior that the paper's parameter count implies
(DALLE2-pytorch), with its own trainer, and with and without the 77 null tokens that it drags through every layer. Its
batches with null tokens are of 64: one of 448 takes 50 GB, so seven of 64 are counted. Matrix products are a step's
own: the same shapes and layouts, and nothing else of the step. There are rows of bf16 where the processor has it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from experiments.benchmarks.speed.measuring import Row, Timing, alternate, measured_process, median, ratio, times_faster
from experiments.benchmarks.speed.peers import Peer, peers_python
from experiments.benchmarks.speed.steps import TrainingSteps, has_bf16, products_of

PRIOR = "experiments.benchmarks.speed.peer_prior"
NULLS = 77
Timings = dict[str, list[Timing]]


@dataclass(frozen=True)
class Size:
    """What is measured."""

    depth: int = 12
    small: int = 64
    large: int = 448
    rounds: int = 3
    null_rounds: int = 2
    memory_steps: int = 3


def rows(quick: bool) -> Iterator[Row]:
    """The topic's rows."""
    size = Size(depth=2, small=2, large=4, rounds=1, null_rounds=1, memory_steps=1) if quick else Size()
    python = peers_python()
    with Peer(PRIOR, python) as peer:
        yield from _steps(size, peer)
    yield _memory(size, python)


def _steps(size: Size, peer: Peer) -> Iterator[Row]:
    ours = _ours(size.depth)
    few = {}
    for batch, faster, share in ((size.small, 1.7, 90.0), (size.large, 1.9, 94.0)):
        data, variants = ours.batch(batch), {}
        for precision, bf16 in (("fp32", False), ("bf16", True))[: 1 + has_bf16()]:
            step = partial(ours.step, data, bf16)
            variants[f"{precision} {batch}"] = step
            variants[f"{precision} products {batch}"] = products_of(step)
        variants[f"prior {batch}"] = partial(peer, "train", nulls=0, batch=batch, depth=size.depth)
        timings = alternate(variants, size.rounds)
        against = "DALLE2-pytorch's prior without null tokens"
        yield times_faster(_name(batch), against, timings[f"fp32 {batch}"], timings[f"prior {batch}"], faster)
        yield from _against_the_machine(size, batch, share, timings)
        few[f"fp32 {batch}"] = variants[f"fp32 {batch}"]
    few["nulls"] = partial(peer, "train", nulls=NULLS, batch=size.small, depth=size.depth)
    yield from _against_null_tokens(size, alternate(few, size.null_rounds, warmup=0))


def _against_null_tokens(size: Size, timings: Timings) -> Iterator[Row]:
    for batch in (size.small, size.large):
        count = batch // size.small
        theirs = [Timing(count * one.wall, count * one.cpu) for one in timings["nulls"]]
        against = "DALLE2-pytorch's prior" + (f", {count} batches of {size.small}" if count > 1 else "")
        yield times_faster(_name(batch), against, timings[f"fp32 {batch}"], theirs, 27.0)


def _against_the_machine(size: Size, batch: int, goal: float, timings: Timings) -> Iterator[Row]:
    if f"bf16 {batch}" in timings:
        fast, slow = timings[f"bf16 {batch}"], timings[f"fp32 {batch}"]
        yield times_faster(_name(batch, "bf16"), "the same in fp32", fast, slow, None)
    for precision, reached in (("fp32", goal), ("bf16", 75.0)):
        if f"{precision} {batch}" not in timings:
            continue
        step, products = timings[f"{precision} {batch}"], timings[f"{precision} products {batch}"]
        share, (low, high) = ratio(products, step)
        yield Row(
            _name(batch, precision),
            "its matrix products alone",
            100 * share,
            "%",
            reached,
            "higher",
            size.rounds,
            (100 * low, 100 * high),
            f"{100 * ratio(products, step, 'cpu')[0]:.3g} % by processor time",
        )
        rates = [batch / one.wall for one in step]
        yield Row(
            _name(batch, precision),
            "",
            batch / median(step),
            "clips/s",
            None,
            "higher",
            size.rounds,
            (min(rates), max(rates)),
        )


def _memory(size: Size, python: str) -> Row:
    arguments = [str(one) for one in (0, size.large, size.depth, size.memory_steps)]
    ours = measured_process(partial(train, size.large, size.depth, size.memory_steps)).peak_rss
    theirs = measured_process([python, "-m", PRIOR, "--train", *arguments]).peak_rss
    note = f"{ours / 1e9:.2f} GB and {theirs / 1e9:.2f} GB, whole processes"
    share = ours / theirs
    return Row(
        f"peak memory of training, batch {size.large}, fp32",
        "DALLE2-pytorch's prior without null tokens",
        share,
        "x",
        0.6,
        "lower",
        1,
        (share, share),
        note,
    )


def train(batch: int, depth: int, steps: int) -> None:
    """So many steps on one batch."""
    ours = _ours(depth)
    for _ in range(steps):
        ours.step(ours.batch(batch))


def _ours(depth: int) -> TrainingSteps:
    return TrainingSteps("v2a_mapper.yaml", f"--model.network.init_args.depth={depth}")


def _name(batch: int, precision: str = "fp32") -> str:
    return f"training step, {'bf16-mixed' if precision == 'bf16' else precision}, batch {batch}"
