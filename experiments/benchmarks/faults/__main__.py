"""What the project survives, as one table: kills, full disks, lost processes, damaged and hostile data.

    python experiments/benchmarks/faults --only fit,embed --kills 30

Every fault is tried on the shipped miniature at its smallest. What a command makes after the fault, once it has been
started again, is compared with what it makes undisturbed. Writes `faults.json` beside this folder.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from results import Row

HERE = Path(__file__).parent
PROJECT = HERE.parents[2]
# Before anything reads them: forks share two cores, and nothing is fetched.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
os.environ["WANDB_MODE"] = "offline"
sys.path[:0] = [str(HERE), str(PROJECT)]
os.environ["PYTHONPATH"] = os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])
# What lanes inherit when they are forked, since it cannot be sent.
SHARED: dict[str, Any] = {}


@dataclass(frozen=True)
class Options:
    """What is tried.

    Args:
        only: groups or commands; empty for everything.
        kills: by each signal in each command.
        jobs: attempts side by side.
        output: the JSON file.
    """

    only: tuple[str, ...]
    kills: int
    jobs: int
    output: Path


def main() -> int:
    """Run, print, write; exits 1 when something was lost."""
    options = _options()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as folder:
        # Other users run in it too.
        Path(folder).chmod(0o755)
        rows = tried(options, Path(folder))
    from results import table

    print(table(rows))
    _write(rows, options, time.monotonic() - began)
    lost = sum(bool(row.lost) for row in rows)
    print(f"{len(rows)} faults, {lost} of them not survived: {options.output}")
    return int(lost > 0)


def tried(options: Options, folder: Path) -> "list[Row]":
    """The rows of every wanted group, in the table's order."""
    from groups import jobs
    from subjects import prepared

    wanted = jobs(options.only, options.kills)
    SHARED["jobs"] = wanted
    SHARED["bench"] = prepared(folder, sorted({name for job in wanted for name in job.needs}))
    print(f"prepared: {SHARED['bench'].seconds}", file=sys.stderr, flush=True)
    found: dict[int, list[Row]] = {}
    # Forked before there are threads, so that each lane is one thread and may fork itself.
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("fork")) as lanes:
        running = {lanes.submit(_timed, place): place for place in range(len(wanted))}
        for future in as_completed(running):
            found[running[future]] = future.result()
            for row in found[running[future]]:
                print(f"{row.seconds:5.0f} s  {' | '.join(row.cells())}", file=sys.stderr, flush=True)
    return [row for place in sorted(found) for row in found[place]]


def _timed(place: int) -> "list[Row]":
    began = time.monotonic()
    rows: list[Row] = SHARED["jobs"][place].run(SHARED["bench"])
    for row in rows:
        row.seconds = round((time.monotonic() - began) / len(rows), 1)
    return rows


def _write(rows: "list[Row]", options: Options, seconds: float) -> None:
    """Write the rows, each with the commit it is of; rows of other faults that are there already stay."""
    from v2a_lightning.files import atomic_write

    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=PROJECT, capture_output=True, text=True, check=False)
    commit = found.stdout.strip()
    machine = f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}"
    earlier = json.loads(options.output.read_text())["rows"] if options.output.is_file() else []
    merged = {row["fault"]: row for row in earlier} if options.only else {}
    merged |= {row.fault: {**row.as_dict(), "commit": commit} for row in rows}
    report = {"machine": machine, "commit": commit, "seconds": round(seconds), "kills": options.kills}
    with atomic_write(options.output) as temporary:
        temporary.write_text(json.dumps({**report, "rows": list(merged.values())}, indent=1) + "\n")


def _options() -> Options:
    from groups import GROUPS

    parser = argparse.ArgumentParser(prog="faults", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default="", help=f"groups or commands, by commas: {', '.join(GROUPS)}")
    parser.add_argument("--kills", type=int, default=30, help="by each signal in each command")
    parser.add_argument("--jobs", type=int, default=2, help="attempts side by side")
    parser.add_argument("--output", type=Path, default=HERE.parent / "faults.json")
    given = parser.parse_args()
    only = tuple(name for name in given.only.split(",") if name)
    if wrong := [name for name in only if name not in GROUPS]:
        parser.error(f"there is no {wrong[0]}; there are {', '.join(GROUPS)}")
    return Options(only, given.kills, given.jobs, given.output)


if __name__ == "__main__":
    sys.exit(main())
