"""The harness of faults on one command and a world that is there already: see test_faults.py."""

import json
import signal
import sys
import time
from pathlib import Path

HARNESS = Path(__file__).parents[2] / "experiments" / "benchmarks" / "faults"
sys.path[:0] = [str(HARNESS), str(HARNESS.parents[2])]


def killed(folder: Path) -> list[dict[str, object]]:
    """A row for each signal."""
    from kills import kill  # type: ignore[import-not-found]
    from subjects import Bench, log_of, subjects  # type: ignore[import-not-found]

    import v2a_lightning.data_modules.manifest  # noqa: F401 (what forks share)

    bench = Bench(folder, subjects([]), {}, {})
    subject = bench.subjects["manifest"]
    place = bench.place(subject, "whole")
    began = time.monotonic()
    assert bench.start(subject, place).wait() == 0, log_of(place).read_text()
    bench.seconds["manifest"], bench.whole["manifest"] = time.monotonic() - began, subject.result(place)
    rows = [kill(bench, "manifest", number, 1) for number in (signal.SIGKILL, signal.SIGTERM)]
    # A harness that finds nothing wrong with another result would be worth nothing.
    bench.whole["manifest"] = {**bench.whole["manifest"], "row lost": {}}
    return [row.as_dict() for row in [*rows, kill(bench, "manifest", signal.SIGKILL, 1)]]


if __name__ == "__main__":
    print(json.dumps(killed(Path(sys.argv[1]))))
