"""Which clips there are, and which are held out."""

from pathlib import Path

import pytest

from data_modules.clips import Clip, find_media, hold_out, ids_hash, read_ids, read_vggsound_csv, subset
from v2a_lightning.errors import UsageError


def clips(count: int, split: str = "train") -> list[Clip]:
    return [Clip(f"{split}{number:05d}_000000", "dog", split) for number in range(count)]


def held(some: list[Clip]) -> set[str]:
    return {clip.clip_id for clip in some if clip.split == "validation"}


def test_the_published_csv_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "vggsound.csv"
    path.write_text('---g-f_I2yQ,1,"people marching, in step",test\n--0PQM4-hqg,30,waterfall burbling,train\n')
    first, second = read_vggsound_csv(path)
    assert (first.clip_id, first.label, first.split) == ("---g-f_I2yQ_000001", "people marching, in step", "test")
    assert second.clip_id == "--0PQM4-hqg_000030"


def test_a_csv_from_a_spreadsheet_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "vggsound.csv"
    path.write_bytes(b'\xef\xbb\xbf---g-f_I2yQ,1,"two\nlines",test\r\n')
    (only,) = read_vggsound_csv(path)
    assert (only.clip_id, only.label) == ("---g-f_I2yQ_000001", "two\nlines")


@pytest.mark.parametrize("content", [bytes(range(256)), "große Glocke".encode("latin-1")])
def test_what_is_no_text_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "film.csv"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"csv .*film\.csv is not a readable text file in UTF-8"):
        read_vggsound_csv(path)
    with pytest.raises(UsageError, match=r"list of ids .*film\.csv is not a readable text file in UTF-8"):
        read_ids(path)


def test_files_are_found_in_one_folder_or_by_split(tmp_path: Path) -> None:
    for name in ("a_000001.mp4", "train/b_000002.mp4", "test/c_000003.webm", "train/notes.txt", "train/a_000001.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_media(tmp_path)
    assert {stem: path.relative_to(tmp_path).as_posix() for stem, path in found.items()} == {
        "a_000001": "a_000001.mp4",
        "b_000002": "train/b_000002.mp4",
        "c_000003": "test/c_000003.webm",
    }


def test_a_share_is_held_out_by_id_alone() -> None:
    few, many = clips(200), clips(400)
    share = held(hold_out(many, 0.1, None))
    assert 20 <= len(share) <= 60
    assert held(hold_out(few, 0.1, None)) == share & {clip.clip_id for clip in few}
    assert held(hold_out(many[::-1], 0.1, None)) == share


def test_some_clip_is_held_out_and_some_is_left() -> None:
    assert len(held(hold_out(clips(2), 0.001, None))) == 1
    assert len(held(hold_out(clips(9), 0.001, None))) == 2
    assert len(held(hold_out(clips(2), 0.0, 50))) == 1
    assert held(hold_out(clips(1), 0.5, None)) == set()
    assert held(hold_out(clips(50, "test"), 0.5, None)) == set()
    ready = [*clips(3), Clip("v", "dog", "validation")]
    assert hold_out(ready, 0.5, None) == ready


def test_a_subset_takes_some_of_each_split() -> None:
    chosen = subset([*clips(30), *clips(5, "test")], 7)
    assert [sum(clip.split == split for clip in chosen) for split in ("train", "test")] == [7, 5]


def test_ids_are_hashed_whatever_their_order(tmp_path: Path) -> None:
    assert ids_hash(["b", "a", "a"]) == ids_hash(["a", "b"]) != ids_hash(["a"])
    (tmp_path / "ids.txt").write_text("a.mp4\n\nb\n")
    assert read_ids(tmp_path / "ids.txt") == {"a", "b"}
    with pytest.raises(UsageError, match="no such file"):
        read_ids(tmp_path / "none.txt")
