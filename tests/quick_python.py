"""A Python for tests whose processes are forked from one that has imported the libraries already.

Importing them takes longer than most of what a test's process does. `start(folder, ...)` is a program that takes
Python's arguments; `-m MODULE ...` and scripts are run in a fork of the server in that folder, in the caller's folder,
environment and standard files, and end as the fork does. Of the project itself the server has imported nothing. What a
process is started with -c for, and what is to end with a named parent, is run by Python itself.
"""

import atexit
import gc
import json
import os
import random
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, NoReturn

import numpy as np

from tests.processes import runs

LIBRARIES = (
    "av", "diffusers.models", "diffusers.schedulers", "lightning.pytorch.cli", "matplotlib.backends.backend_agg",
    "matplotlib.figure", "omegaconf", "open_clip", "pandas", "pyarrow.parquet", "rich.progress", "scipy.signal",
    "scipy.stats", "sklearn.linear_model", "sklearn.model_selection", "soxr", "torch._dynamo", "torch.distributed.run",
    "torchmetrics", "torchvision", "transformers.models.clap.modeling_clap",
    "transformers.models.roberta.modeling_roberta", "transformers.models.speecht5.modeling_speecht5", "wandb",
)  # fmt: skip
PROGRAM = """#!/bin/sh
[ "$1" = -u ] && shift
case "$1$V2A_LIGHTNING_PARENT" in
  -m|*.py) exec {python} -S -E {client} {address} "$@" ;;
esac
exec {python} "$@"
"""


def start(folder: Path, session: int) -> Path:
    """Start a server that ends with a process: the program whose processes it forks."""
    # A socket's name has room for a hundred letters.
    program, address = folder / "python", Path(mkdtemp()) / "socket"
    client = Path(__file__).with_name("forked.py")
    program.write_text(PROGRAM.format(python=sys.executable, client=client, address=address))
    program.chmod(0o755)
    command = [sys.executable, "-m", "tests.quick_python", str(address), str(program), str(session)]
    subprocess.Popen(command, cwd=Path(__file__).parents[1], stdin=subprocess.DEVNULL)
    while not address.exists():
        time.sleep(0.05)
    return program


def serve(address: str, program: str, session: int) -> None:
    """Fork a process for each call, until that process has ended."""
    own = {sys.path[0], *os.environ.get("PYTHONPATH", "").split(os.pathsep)}
    sys.path[:] = [path for path in sys.path if path not in own]
    for name in LIBRARIES:
        __import__(name)
    # W&B's folder for media is the next process's, too: none removes it at its end.
    media = sys.modules["wandb.sdk.data_types._private"].MEDIA_TMP
    atexit.unregister(media.cleanup)
    # Else a fork's collector copies every page that it only looks at.
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{address}.new")
        listening.listen(64)
        os.rename(f"{address}.new", address)
        listening.settimeout(0.5)
        while runs(session):
            with suppress(TimeoutError):
                connection, _ = listening.accept()
                if os.fork() == 0:
                    listening.close()
                    watch(connection, program)
                connection.close()
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass


def watch(connection: socket.socket, program: str) -> None:
    """Run what a caller orders in a process, which ends with the caller; the caller gets its id and its exit code."""
    length, files, *_ = socket.recv_fds(connection, 8, 3)
    with connection.makefile("rb") as orders:
        order = json.loads(orders.read(int.from_bytes(length)))
    process = os.fork()
    if process == 0:
        connection.close()
        end(partial(run, order, files, program))
    connection.sendall(process.to_bytes(8))
    ready, *_ = select.select([connection, os.pidfd_open(process)], [], [])
    if connection in ready:
        os.kill(process, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    with suppress(BrokenPipeError):
        connection.sendall(code.to_bytes(8, signed=True))
    os._exit(0)


def end(work: Callable[[], None]) -> NoReturn:
    """End as Python does after some work, except that no module is taken down: there are too many."""
    code: Any = 0
    try:
        work()
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
        if isinstance(left.code, str):
            print(left.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def run(order: dict[str, Any], files: list[int], program: str) -> None:
    """Be the process that Python would have started."""
    # Nor what else the server's libraries would remove.
    for finalizer in weakref.finalize._registry:  # type: ignore[attr-defined]
        finalizer.atexit = False
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    random.seed()
    np.random.seed()
    sys.executable = program
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
    sys.path[:0] = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    # What this process is, a process that it starts is not to be asked for as a module of the project's tests.
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]
    first, *sys.argv = order["arguments"] if order["arguments"][0] == "-m" else ["", *order["arguments"]]
    sys.path.insert(0, os.getcwd() if first else str(Path(sys.argv[0]).parent))
    if first:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], int(sys.argv[3]))
