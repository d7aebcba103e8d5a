"""The quickstart's training step in a process of its own, whose threads wait as its environment says."""

import functools

from experiments.benchmarks.speed.steps import TrainingSteps
from experiments.benchmarks.speed.worker import serve


@functools.cache
def _steps() -> TrainingSteps:
    return TrainingSteps("quickstart.yaml")


def train(batch: int, steps: int) -> None:
    """So many steps."""
    data = _steps().batch(batch)
    for _ in range(steps):
        _steps().step(data)


if __name__ == "__main__":
    serve({"train": train})
