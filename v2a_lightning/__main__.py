"""`v2a COMMAND ...`, or `python -m v2a_lightning COMMAND ...`."""

import gc
import os
import sys

# Before anything imports torch: threads that wait by spinning take the processor from whoever else is on the machine,
# decoders and other processes of the same run among them.
# GNU's threads spin for a few microseconds all the same: that is a third faster where nobody else wants the processor.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "3000")

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
    # Libraries are thousands of objects that live to the end: to look through them for garbage again and again takes a
    # good part of the time of a short command.
    gc.set_threshold(50_000, 20, 20)
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    entry()
