"""Which clips there are, and which are held out."""

from pathlib import Path

import pytest

from v2a_lightning.data_modules.clips import (
    Clip,
    find_media,
    hold_out,
    ids_hash,
    missing_names,
    read_ids,
    subset,
    unused_splits,
)
from v2a_lightning.data_modules.vggsound import read_labels, read_vggsound_csv
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


PLAIN = "---g-f_I2yQ,1,dog barking,test\n"


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode("utf-16"),
        b"youtube_id,start_seconds,label,split\r\n" + PLAIN.encode(),
        b"\xef\xbb\xbf\n" + PLAIN.encode() + b"\n,,,\n  \n",
        b' ---g-f_I2yQ , 1 ,"dog barking" , test \r\n'.replace(b'"dog barking" ', b'"dog barking"'),
        b"---g-f_I2yQ,000001,dog barking,test",
    ],
    ids=["utf-16", "header", "blank lines", "spaces", "no line end"],
)
def test_other_spellings_of_one_csv(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clips.csv"
    path.write_bytes(content)
    assert read_vggsound_csv(path) == [Clip("---g-f_I2yQ_000001", "dog barking", "test")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a;1;dog;test", r"line 1: 1 columns where 4 are expected, and semicolons"),
        (PLAIN + "a\t1\tdog\ttest", r"line 2: 1 columns where 4 are expected, and tabs"),
        (PLAIN + "a,1,dog,test,5", "line 2: 5 columns"),
        (PLAIN + 'a,1,"dog,test\n' + PLAIN, "line 3: unexpected end of data"),
        (PLAIN + "\na,-1,dog,test", "line 3: the start second is a whole number, not '-1'"),
        ("a,3" + "0" * 5000 + ",dog,test", "at most six digits"),
        (PLAIN + "../../a,1,dog,test", r"line 2: the clip id '../../a_000001' cannot be the name of a file"),
        ("/etc/a,1,dog,test", "line 1: the clip id '/etc/a_000001'"),
        ("a,1,,test", "line 1: a column is empty"),
        ("a,1,dog\0,test", "zero bytes"),
        ("start,id,label,split", "line 1: the start second is a whole number"),
        ("\n , \n", "is empty"),
    ],
)
def test_a_line_that_is_no_clip_is_named(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "clips.csv"
    path.write_text(content)
    with pytest.raises(UsageError, match=said):
        read_vggsound_csv(path)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf---g-f_I2yQ , 1 , dog barking , test\r\n\r\n",
        "---g-f_I2yQ,1,dog barking,test\n---g-f_I2yQ,1,cat,test\n".encode("utf-16"),
        b"video_id,label,modality\n---g-f_I2yQ_000001,dog barking,AV\n",
        b"Caption,File\ndog barking,---g-f_I2yQ_000001.mp4\n",
    ],
)
def test_labels_are_read_from_any_list(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    assert read_labels(path) == {"---g-f_I2yQ_000001": "dog barking"}


def test_several_labels_of_a_clip_are_one_text(tmp_path: Path) -> None:
    path = tmp_path / "vggsounder.csv"
    path.write_text('video_id,label,modality\na_000001,"speech, man",AV\na_000001,dog,A\nb_000002,cat,A\n')
    assert read_labels(path) == {"a_000001": "speech, man; dog", "b_000002": "cat"}
    path.write_text("video_id,label\na,b,c\n")
    with pytest.raises(UsageError, match="line 2: 3 columns where 2 are expected"):
        read_labels(path)


def test_a_clip_that_is_named_again_is_marked(tmp_path: Path) -> None:
    path = tmp_path / "clips.csv"
    path.write_text(PLAIN + "b,1,cat,train\n" + PLAIN.replace("test", "train"))
    assert [clip.duplicate for clip in read_vggsound_csv(path)] == [False, False, True]


def test_splits_that_nothing_uses_are_named() -> None:
    some = [*clips(2, "train"), *clips(1, "Test"), *clips(3, "val")]
    assert unused_splits(some, {"train", "test"}) == (
        "splits that nothing uses: 'Test' (1 clips), 'val' (3 clips); the splits that are used are test, train"
    )
    assert unused_splits(some, {"train", "Test", "val"}) == ""


def test_names_that_were_found_stand_beside_those_that_were_looked_for() -> None:
    wanted = [Clip("aaaaaaaaaaa_000001", "dog", "test"), Clip("0nYltlo90Zc_000147", "dog", "test")]
    files = {name: Path(f"{name}.mp4") for name in ("other", "0nYltlo90Zc_147000_157000")}
    line = missing_names(wanted, files)
    assert "holds 0nYltlo90Zc_147000_157000.mp4, for instance, and 0nYltlo90Zc_000147.mp4 is looked for" in line
    other = {"other": Path("other.mp4")}
    assert "holds other.mp4, for instance, and aaaaaaaaaaa_000001.mp4" in missing_names(wanted, other)
    assert "aaaaaaaaaaa_000001.mp4 is looked for" in missing_names(wanted, {})
    assert missing_names(wanted, {**files, wanted[0].clip_id: Path("x.mp4")}) == ""


@pytest.mark.parametrize("again", ["train/a_000001.mp4", "a_000001.mkv", "a_000001.MP4"])
def test_two_files_of_one_id_are_refused(tmp_path: Path, again: str) -> None:
    for name in ("a_000001.mp4", again):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(UsageError, match="bear the same clip id a_000001"):
        find_media(tmp_path)
    (tmp_path / again).unlink()
    (tmp_path / again).symlink_to(tmp_path / "a_000001.mp4")
    assert list(find_media(tmp_path)) == ["a_000001"]


@pytest.mark.parametrize("content", [bytes(range(256)), "große Glocke".encode("latin-1"), b"\xff\xfea"])
def test_what_is_no_text_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clips.csv"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"csv .*clips\.csv is not a readable text file in UTF-8"):
        read_vggsound_csv(path)
    with pytest.raises(UsageError, match=r"list of ids .*clips\.csv is not a readable text file in UTF-8"):
        read_ids(path)


def test_files_are_found_in_one_folder_or_by_split(tmp_path: Path) -> None:
    for name in ("a_000001.mp4", "train/b_000002.mp4", "test/c_000003.webm", "train/notes.txt", "train/._b_000002.mp4"):
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
