from pathlib import Path

import pytest

from v2a_lightning.errors import UsageError
from v2a_lightning.evaluation.folders import pair_folders


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_files_pair_by_stem_whatever_their_suffix_and_subfolder(tmp_path: Path) -> None:
    made = touch(tmp_path / "made", "a_000001.wav", "sub/b_000002.FLAC", "c_000003.mp4", ".hidden.wav", "notes.txt")
    own = touch(tmp_path / "own", "test/a_000001.mp4", "test/b_000002.mp4", "d_000004.ogg")
    media = touch(tmp_path / "media", "a_000001.jpg", "c_000003.mp4")
    pairing = pair_folders(made, own, media)
    assert {clip: path.name for clip, path in pairing.generated.items()} == {
        "a_000001": "a_000001.wav",
        "b_000002": "b_000002.FLAC",
    }
    assert list(pairing.reference) == ["a_000001", "b_000002"]
    assert list(pairing.media) == ["a_000001"]
    assert pairing.lines() == [
        "1 generated sounds have no reference and are left out: c_000003",
        "1 references have no generated sound and are left out: d_000004",
        "1 scored clips have no picture and no CLIP-score: b_000002",
    ]


def test_a_sound_file_goes_before_the_film_that_holds_it(tmp_path: Path) -> None:
    made = touch(tmp_path, "a.mp4", "a.wav", "b.mp4")
    pairing = pair_folders(made, None, None)
    assert {clip: path.suffix for clip, path in pairing.generated.items()} == {"a": ".wav", "b": ".mp4"}
    assert pairing.lines() == []


def test_many_unpaired_are_counted_and_some_named(tmp_path: Path) -> None:
    made = touch(tmp_path / "made", *(f"{index}.wav" for index in range(7)))
    own = touch(tmp_path / "own", "0.wav")
    assert pair_folders(made, own, None).lines()[0].startswith("6 generated sounds")
    assert pair_folders(made, own, None).lines()[0].endswith("1, 2, 3, ...")


def test_what_cannot_be_paired_is_named(tmp_path: Path) -> None:
    made, own = touch(tmp_path / "made", "a.wav"), touch(tmp_path / "own", "b.wav")
    cases = [
        (tmp_path / "nowhere", own, None, "--generated .*nowhere: there is no such folder"),
        (made, tmp_path / "nowhere", None, "--reference .*nowhere: there is no such folder"),
        (made, None, tmp_path / "nowhere", "--media .*nowhere: there is no such folder"),
        (touch(tmp_path / "text", "a.txt"), own, None, "--generated .*text: holds no sound file"),
        (made, own, None, "no file in .*made has the name of a file in .*own .*'a' there and 'b' here"),
        (touch(tmp_path / "twice", "x/a.wav", "y/a.wav"), own, None, "bear the same clip id; keep one"),
    ]
    for generated, reference, media, message in cases:
        with pytest.raises(UsageError, match=message):
            pair_folders(generated, reference, media)


def test_class_folders_are_part_of_the_clip_id_where_that_is_wanted(tmp_path: Path) -> None:
    made = touch(tmp_path / "made", "cat_1.wav", "dog_1.wav")
    media = touch(tmp_path / "media", "cat/1.jpg", "dog/1.jpg", "cow/2.jpg", "pig/2.jpg")
    found = pair_folders(made, None, media).media
    assert {clip: str(path.relative_to(media)) for clip, path in found.items()} == {
        "cat_1": "cat/1.jpg", "dog_1": "dog/1.jpg"
    }  # fmt: skip
