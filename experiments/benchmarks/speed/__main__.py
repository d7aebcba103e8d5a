"""How fast the project is, against what else there is: `python -m experiments.benchmarks.speed`.

A topic is a file here with `def rows(quick: bool) -> Iterator[Row]`. Each runs in a process of its own. After every row
docs/benchmarks.json and docs/BENCHMARKS.md are written anew; with --quick, which measures nothing worth reading, into
runs/benchmarks.
"""

import argparse
import importlib
import os
import subprocess
import sys
from pathlib import Path

# Before anything imports torch, as the project's own command does.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "3000")

from experiments.benchmarks.speed.document import ROOM, Document
from experiments.benchmarks.speed.measuring import PROJECT


def topics() -> list[str]:
    """Names of the files here that measure."""
    return sorted(path.stem for path in ROOM.glob("*.py") if "\ndef rows(" in path.read_text())


def measure(topic: str, quick: bool, folder: Path) -> None:
    """Run a topic in this process, writing after each row."""
    document, rows = Document(folder), []
    for row in importlib.import_module(f"experiments.benchmarks.speed.{topic}").rows(quick):
        rows.append(row)
        print(f"{topic}: {row.what}, {row.against or 'alone'}: {row.value:.4g} {row.unit}, goal {row.goal}", flush=True)
        document.write(topic, rows, finished=False)
    document.write(topic, rows, finished=True)


def measure_apart(topic: str, quick: bool, folder: Path) -> int:
    """Run a topic in a process of its own: its exit code."""
    command = [sys.executable, "-m", __spec__.name, "--only", topic, "--output", str(folder.absolute())]
    return subprocess.run(command + ["--quick"] * quick, cwd=PROJECT, check=False).returncode


def main(arguments: list[str] | None = None) -> int:
    """The command: 1 when a topic failed."""
    parser = argparse.ArgumentParser(prog="experiments.benchmarks.speed", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=topics(), metavar="NAME", help=", ".join(topics()))
    parser.add_argument("--quick", action="store_true", help="tiny sizes: whether it runs, not how fast")
    parser.add_argument("--output", type=Path, help="folder of benchmarks.json and BENCHMARKS.md")
    options = parser.parse_args(arguments)
    folder = options.output or PROJECT / ("runs/benchmarks" if options.quick else "docs")
    chosen = options.only or topics()
    if len(chosen) == 1:
        measure(chosen[0], options.quick, folder)
        return 0
    failed = [topic for topic in chosen if measure_apart(topic, options.quick, folder)]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
