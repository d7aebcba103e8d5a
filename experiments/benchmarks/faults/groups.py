"""Every group of faults, and what each needs."""

import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import disks
import finite
import hostile
import kills
import ranks
import stores
from results import Row
from subjects import Bench

COMMANDS = ("study", "test", "fit", "generate", "embed", "render", "manifest")
SIGNALS = (signal.SIGKILL, signal.SIGTERM)


@dataclass(frozen=True)
class Job:
    """A part of the work that one lane does.

    Args:
        needs: the commands whose undisturbed result it compares with.
        run: gives rows of the table.
    """

    needs: tuple[str, ...]
    run: Callable[[Bench], list[Row]]


def _killed(name: str, times: int) -> Iterable[Job]:
    for number in SIGNALS:
        yield Job((name,), lambda bench, number=number: [kills.kill(bench, name, number, times)])  # type: ignore[misc]


def _each(function: Callable[[Bench, str], Row], _: int) -> Iterable[Job]:
    for name in COMMANDS:
        yield Job((name,), lambda bench, name=name: [function(bench, name)])  # type: ignore[misc]


def _one(function: Callable[[Bench], list[Row]], needs: tuple[str, ...], _: int) -> Iterable[Job]:
    yield Job(needs, function)


GROUPS: dict[str, Callable[[int], Iterable[Job]]] = {
    **{name: partial(_killed, name) for name in COMMANDS},
    "full-disk": partial(_each, disks.full),
    "read-only": partial(_each, disks.read_only),
    "two-writers": partial(_each, stores.two_writers),
    "ranks": partial(_one, ranks.ranks, ("fit",)),
    "dirty": partial(_one, hostile.dirty, ("manifest", "embed")),
    "decoders": partial(_one, hostile.decoders, ("manifest", "embed")),
    "shards": partial(_one, stores.shards, ("embed",)),
    "numbers": partial(_one, finite.numbers, ("embed", "fit", "generate", "test")),
}


def jobs(only: tuple[str, ...], times: int) -> list[Job]:
    """The jobs of the wanted groups, those of the longest commands first."""
    return [job for name, make in GROUPS.items() if not only or name in only for job in make(times)]
