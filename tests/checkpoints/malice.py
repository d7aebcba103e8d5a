"""Checkpoints that try to run a command when they are read, in every format of a pickle."""

import io
import os
import pickle
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch


class Command:
    """Unpickled the ordinary way, it leaves a file behind."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.marker}",)


def malicious(marker: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of one file after the other; `marker` appears when one is executed."""
    command = Command(marker)
    for protocol in range(6):
        yield f"a bare pickle of protocol {protocol}", pickle.dumps(command, protocol)
    yield "an instruction to import", f"cos\nsystem\n(S'touch {marker}'\ntR.".encode()
    for archive in (True, False):
        for content in ({"state_dict": {"weight": command}}, {"weight": torch.zeros(1), "epoch": command}, command):
            buffer = io.BytesIO()
            torch.save(content, buffer, _use_new_zipfile_serialization=archive)
            yield f"torch's own, {'zip' if archive else 'stream'} of {type(content).__name__}", buffer.getvalue()
    for position in range(3):
        parts = [pickle.dumps(one, 2) for one in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
        parts[position] = pickle.dumps(command, 2)
        yield f"a stream whose part {position} is a command", b"".join(parts)
    yield "the tar archive of the oldest torch", _tar(command)
    buffer = io.BytesIO()
    np.save(buffer, np.array([command], dtype=object))
    yield "numpy's objects", buffer.getvalue()


def _tar(command: Command) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("storages", "tensors", "pickle"):
            content = pickle.dumps(command)
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
