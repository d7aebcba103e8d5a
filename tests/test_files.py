"""Files are whole or absent, stay in their folder, and never take an input's place."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import save_file

from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.files import atomic_write, path_of_id, refuse_inputs_as_outputs, reserve

from .disks import no_file_above

UNSAFE = ["", ".", "..", "../up", "/etc/passwd", "a/b", "a\\b", "nul\0", "line\nfeed", "x" * 252]


def half_written(path: Path) -> None:
    path.write_bytes(b"\xff")
    path.read_text(encoding="utf-8")


def test_a_block_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    target.write_text("old")
    with pytest.raises(UnicodeDecodeError), atomic_write(target) as temporary:
        half_written(temporary)
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_the_content_is_on_the_disk_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    sync, move = os.fsync, os.replace

    def noted_move(source: Path, target: Path) -> None:
        calls.append("move")
        assert Path(source).parent == Path(target).parent
        move(source, target)

    monkeypatch.setattr(os, "fsync", lambda handle: (calls.append("sync"), sync(handle)))
    monkeypatch.setattr(os, "replace", noted_move)
    with atomic_write(tmp_path / "a.json") as temporary:
        temporary.write_text("new")
    assert calls == ["sync", "move", "sync"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_disk_that_refuses_is_one_line_with_the_file(tmp_path: Path, number: int) -> None:
    message = rf"a\.json cannot be written: {os.strerror(number)}"
    with pytest.raises(RunFailure, match=message), atomic_write(tmp_path / "a.json"):
        raise OSError(number, os.strerror(number))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(RunFailure, match=r"out/a\.json cannot be written"), atomic_write(tmp_path / "out" / "a.json"):
        pass


def test_an_error_of_the_block_itself_passes_through(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "a.json"):
        (tmp_path / "missing").read_text()


PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
WRITERS = {
    "text": lambda path: path.write_text("x" * 9000),
    "picture": PICTURE.save,
    "tensors": lambda path: save_file({"a": torch.zeros(9000)}, path),
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("room", [0, 5000])
def test_a_full_disk_is_one_line_whichever_library_writes(tmp_path: Path, writer: str, room: int) -> None:
    path = tmp_path / "a.png"
    with (
        no_file_above(room),
        pytest.raises(RunFailure, match=r"a\.png cannot be written: File too large"),
        atomic_write(path) as temporary,
    ):
        WRITERS[writer](temporary)
    assert not list(tmp_path.iterdir())


def test_an_error_of_tensors_themselves_passes_through(tmp_path: Path) -> None:
    with pytest.raises(SafetensorError), atomic_write(tmp_path / "a.safetensors"):
        raise SafetensorError("header too large")


def test_room_is_taken_before_a_map_is_written_through(tmp_path: Path) -> None:
    shape = (1000, 8)
    np.lib.format.open_memmap(tmp_path / "a.npy", mode="w+", dtype=np.float32, shape=shape)
    holes = os.stat(tmp_path / "a.npy")
    reserve(tmp_path / "a.npy")
    taken = os.stat(tmp_path / "a.npy")
    assert taken.st_size == holes.st_size
    assert taken.st_blocks * 512 >= taken.st_size
    assert np.array_equal(np.load(tmp_path / "a.npy"), np.zeros(shape, np.float32))


@pytest.mark.parametrize("identifier", UNSAFE)
def test_an_id_that_leaves_its_folder_is_refused(tmp_path: Path, identifier: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a file"):
        path_of_id(tmp_path, identifier, ".wav")


@pytest.mark.parametrize("identifier", ["-abc_000030", "a.b..c", "ä b", ".hidden"])
def test_an_id_with_unusual_letters_is_a_file(tmp_path: Path, identifier: str) -> None:
    assert path_of_id(tmp_path, identifier, ".wav") == tmp_path / f"{identifier}.wav"


def test_an_input_is_never_an_output(tmp_path: Path) -> None:
    video = tmp_path / "a.mp4"
    video.write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path)
    os.link(video, tmp_path / "same.mp4")
    for output in (video, tmp_path / "link" / "a.mp4", tmp_path / "x" / ".." / "a.mp4", tmp_path / "same.mp4"):
        with pytest.raises(UsageError, match=r"a\.mp4 is an input and would be written over; give another --output"):
            refuse_inputs_as_outputs([video], [output], "--output")
    refuse_inputs_as_outputs([video], [tmp_path / "b.mp4"], "--output")
