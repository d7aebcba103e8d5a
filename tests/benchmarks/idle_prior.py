"""Stands in for peer_prior.py where the peers' environment is not made: answers, and computes nothing."""

import sys
from typing import Any

from experiments.benchmarks.speed.worker import serve


def nothing(**arguments: Any) -> dict[str, Any]:
    """What it was sent."""
    print("not an answer")
    return arguments


def fail() -> None:
    """A call that fails."""
    raise ValueError("no such prior")


if __name__ == "__main__":
    if "--train" not in sys.argv:
        serve({"train": nothing, "sample": nothing, "fail": fail})
