"""`v2a COMMAND ...`, or `python -m v2a_lightning COMMAND ...`."""

import atexit
import gc
import os
import sys

# Before anything imports torch: threads that wait by spinning take the processor from whoever else is on the machine,
# decoders and other processes of the same run among them.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from v2a_lightning.app.cli import main
from v2a_lightning.deferred import install
from v2a_lightning.processes import end_with_named_parent

# Of a command and its processes alone: who imports this package in a program of their own finds every other as it is.
install()


def entry() -> None:
    """Run the command line and exit with its code."""
    # As `python -m` does, so that a config may name classes in the folder where one stands.
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    end_with_named_parent()
    # Libraries are thousands of objects that live to the end. To look through them for garbage again and again, and to
    # take them down one by one, takes a third of the time that a short command takes.
    gc.set_threshold(50_000, 20, 20)
    code = 1
    # What is registered first is called last: threads have ended by then, and files have been closed.
    atexit.register(lambda: _leave(code))
    code = main(sys.argv[1:])
    sys.exit(code)


def _leave(code: int) -> None:
    try:
        for stream in (sys.stdout, sys.stderr):
            # Where a caller has closed it, it is None.
            if stream:
                stream.flush()
    except OSError:
        # Nobody reads it any more; Python has its own way to say so.
        return
    os._exit(code)


if __name__ == "__main__":
    entry()
