"""Analyses of a finished training are kept beside it, so that a study started again computes only what is missing."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from v2a_lightning.files import atomic_write


def kept(
    path: Path,
    compute: Callable[[], Any],
    settings: Mapping[str, Any] | None = None,
    files: Sequence[Path] = (),
) -> Any:
    """What a JSON file holds as its result; computed and written first unless that was done before.

    Args:
        path: the file.
        compute: gives the result.
        settings: what the result depends on beside the file's place; a file of other settings is made again.
        files: what `compute` writes beside its result; when one is gone, it is called again.
    """
    wanted = json.loads(json.dumps(settings or {}))
    found = json.loads(path.read_text()) if path.is_file() else {}
    if found.get("settings") != wanted or not all(file.exists() for file in files):
        found = {"settings": wanted, "result": compute()}
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(found, indent=1) + "\n")
    # As it is read from the file, also the first time: no tuples, no numbers as keys.
    return json.loads(json.dumps(found["result"]))


def published(file: Path, folder: Path) -> Path:
    """A copy in a study's folder of what an analysis wrote beside its training."""
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(folder / file.name) as temporary:
        shutil.copyfile(file, temporary)
    return folder / file.name
