"""A process that runs one command after another: `python -m v2a_lightning.app.worker`, as studies start it.

Each line of its standard input is a command, {"arguments", "log"}; what the command prints goes to the log, and its
exit code to standard output.
"""

import gc
import json
import os
import sys
from typing import IO

from v2a_lightning.app.cli import main
from v2a_lightning.processes import end_with_named_parent


def serve(commands: IO[str], codes: IO[str]) -> None:
    """Run commands until there are no more."""
    for line in commands:
        command = json.loads(line)
        with open(command["log"], "ab", buffering=0) as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        code = main(command["arguments"])
        sys.stdout.flush()
        sys.stderr.flush()
        gc.collect()
        print(code, file=codes, flush=True)


if __name__ == "__main__":
    end_with_named_parent()
    # What commands print is sent elsewhere, so exit codes keep the first standard output for themselves.
    with os.fdopen(os.dup(1), "w") as own_output:
        serve(sys.stdin, own_output)
