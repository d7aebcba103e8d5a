"""`python -m v2a_lightning COMMAND ...`."""

import sys

from v2a_lightning.cli import main
from v2a_lightning.processes import end_with_named_parent

if __name__ == "__main__":
    end_with_named_parent()
    sys.exit(main(sys.argv[1:]))
