"""Checkpoints that are whole: written beside their place and moved there, the last but one kept."""

import io
import os
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io import TorchCheckpointIO

from v2a_lightning.files import atomic_write
from v2a_lightning.runs import LAST, PREVIOUS


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a local checkpoint as a temporary file in its own folder, onto the disk, and then gives it its name.

    Lightning's own goes through the folder for temporary files, which may be another disk. Paths with a protocol, such
    as s3://, are left to Lightning.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        if "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        path = Path(path)
        for left_by_a_kill in path.parent.glob(f".{path.stem}.*{path.suffix}"):
            left_by_a_kill.unlink(missing_ok=True)
        # In memory first: writing by torch itself does not say why a disk refuses.
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        with atomic_write(path) as temporary:
            temporary.write_bytes(buffer.getbuffer())
            if path.name == LAST and path.is_file():
                _keep(path, path.with_name(PREVIOUS))


def _keep(path: Path, copy: Path) -> None:
    """A second name for a file, in one step."""
    temporary = copy.with_name(f".{copy.name}.link")
    temporary.unlink(missing_ok=True)
    try:
        os.link(path, temporary)
    except OSError:
        # Some file systems know one name a file only.
        os.replace(path, copy)
        return
    os.replace(temporary, copy)
