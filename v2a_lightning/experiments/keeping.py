"""Analyses of a finished training are kept beside it, so that a study started again computes only what is missing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from v2a_lightning.files import atomic_write


def kept(path: Path, compute: Callable[[], Any]) -> Any:
    """What the JSON file holds; computed and written first when there is no such file."""
    if not path.is_file():
        result = compute()
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(result, indent=1) + "\n")
    return json.loads(path.read_text())
