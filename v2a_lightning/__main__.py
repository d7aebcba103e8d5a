"""`python -m v2a_lightning COMMAND ...`."""

import sys

from v2a_lightning.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
