"""Peers: other projects in a virtual environment of their own, in processes that do what they are sent."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from experiments.benchmarks.speed.measuring import PROJECT

FOLDER = PROJECT / "data" / "benchmark-peers"
REQUIREMENTS = Path(__file__).with_name("peers.txt")


def peers_python(folder: Path = FOLDER) -> str:
    """The interpreter of the peers' environment, which is made when it is not there or peers.txt has changed."""
    wanted, marker = REQUIREMENTS.read_text(), folder / "peers.txt"
    python = folder / "bin" / "python"
    if not marker.is_file() or marker.read_text() != wanted:
        venv.create(folder, clear=True)
        site = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
        # Searched after the environment's own packages: what the project has is not installed again.
        (site / "below.pth").write_text(sysconfig.get_path("purelib") + "\n")
        pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--quiet", "-r", str(REQUIREMENTS)], check=True)
        marker.write_text(wanted)
    return str(python)


class Peer:
    """A module that ends in `serve(...)` of worker.py, in a process of its own.

    Args:
        module: name of the module, as `python -m` takes it.
        python: the interpreter; the benchmark's own when not given.
        environment: variables set for the process; None unsets one.
    """

    def __init__(
        self, module: str, python: str = sys.executable, environment: Mapping[str, str | None] | None = None
    ) -> None:
        variables = {**os.environ, "PYTHONPATH": str(PROJECT), **(environment or {})}
        self.process = subprocess.Popen(
            [python, "-m", module],
            cwd=PROJECT,
            env={name: value for name, value in variables.items() if value is not None},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    def __call__(self, call: str, **arguments: Any) -> Any:
        """Call a function there and return what it returns; RuntimeError with its traceback when it fails."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps({"call": call, "arguments": arguments}), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args} ended with {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["result"]
