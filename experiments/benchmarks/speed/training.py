"""A training step of the paper's size, 48.8 M parameters, as experiments/v2a_mapper.yaml trains it: its optimiser, its
clipping, its average of the weights. The peer is the public prior that the paper's parameter count implies
(DALLE2-pytorch), with its own trainer, and with and without the 77 null tokens that it drags through every layer. Its
batches with null tokens are of 64: one of 448 takes 50 GB, so seven of 64 are counted. Matrix products are a step's
own: the same shapes and layouts, and nothing else of the step."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from experiments.benchmarks.speed.measuring import Row, Timing, alternate, measured_process, median, ratio, times_faster
from experiments.benchmarks.speed.peers import Peer, peers_python
from experiments.benchmarks.speed.steps import TrainingSteps, products_of

PRIOR = "experiments.benchmarks.speed.peer_prior"
NULLS = 77
Timings = dict[str, list[Timing]]


@dataclass(frozen=True)
class Size:
    """What is measured."""

    depth: int = 12
    small: int = 64
    large: int = 448
    rounds: int = 5
    null_rounds: int = 3
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
    variants = {}
    for batch in (size.small, size.large):
        data = ours.batch(batch)
        for precision, bf16 in (("fp32", False), ("bf16", True)):
            step = partial(ours.step, data, bf16)
            variants[f"{precision} {batch}"] = step
            variants[f"{precision} products {batch}"] = products_of(step)
        variants[f"prior {batch}"] = partial(peer, "train", nulls=0, batch=batch, depth=size.depth)
    timings = alternate(variants, size.rounds)
    yield from _against_the_prior(size, timings)
    yield from _against_the_machine(size, timings)
    few = {name: variants[name] for name in (f"fp32 {size.small}", f"fp32 {size.large}")}
    few["nulls"] = partial(peer, "train", nulls=NULLS, batch=size.small, depth=size.depth)
    yield from _against_null_tokens(size, alternate(few, size.null_rounds))


def _against_the_prior(size: Size, timings: Timings) -> Iterator[Row]:
    for batch, goal in ((size.small, 1.7), (size.large, 1.9)):
        against = "DALLE2-pytorch's prior without null tokens"
        yield times_faster(_name(batch), against, timings[f"fp32 {batch}"], timings[f"prior {batch}"], goal)


def _against_null_tokens(size: Size, timings: Timings) -> Iterator[Row]:
    for batch in (size.small, size.large):
        count = batch // size.small
        theirs = [Timing(count * one.wall, count * one.cpu) for one in timings["nulls"]]
        against = "DALLE2-pytorch's prior" + (f", {count} batches of {size.small}" if count > 1 else "")
        yield times_faster(_name(batch), against, timings[f"fp32 {batch}"], theirs, 27.0)


def _against_the_machine(size: Size, timings: Timings) -> Iterator[Row]:
    goals = {f"fp32 {size.small}": 90.0, f"fp32 {size.large}": 94.0}
    for precision in ("fp32", "bf16"):
        for batch in (size.small, size.large):
            goal = goals.get(f"{precision} {batch}", 75.0)
            step, products = timings[f"{precision} {batch}"], timings[f"{precision} products {batch}"]
            share, (low, high) = ratio(products, step)
            yield Row(
                _name(batch, precision),
                "its matrix products alone",
                100 * share,
                "%",
                goal,
                "higher",
                size.rounds,
                (100 * low, 100 * high),
                f"{100 * ratio(products, step, 'cpu')[0]:.3g} % by processor time",
            )
    for batch in (size.small, size.large):
        fast, slow = timings[f"bf16 {batch}"], timings[f"fp32 {batch}"]
        yield times_faster(_name(batch, "bf16"), "the same in fp32", fast, slow, None)
    for precision in ("fp32", "bf16"):
        step = timings[f"{precision} {size.large}"]
        rates = [size.large / one.wall for one in step]
        yield Row(
            _name(size.large, precision),
            "",
            size.large / median(step),
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
