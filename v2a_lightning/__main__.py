"""`python -m v2a_lightning COMMAND ...`."""

import os
import sys

# Before anything imports torch: threads that wait by spinning take the processor from whoever else is on the machine,
# decoders and other processes of the same run among them.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from v2a_lightning.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
