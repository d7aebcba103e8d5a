"""`manifest` looks at every clip and says what is wrong with it."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from data_modules.clips import ids_hash
from v2a_lightning.cli import main

from ..data_modules.conftest import BAD, SmallVGGSound, write_vggsound


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> SmallVGGSound:
    return write_vggsound(tmp_path_factory.mktemp("vggsound"))


def arguments(clips: SmallVGGSound, output: Path) -> list[str]:
    return ["manifest", "--csv", str(clips.csv), "--media", str(clips.media), "--output", str(output), "--seconds", "2",
            "--frames_per_second", "4", "--workers", "1"]  # fmt: skip


def test_every_clip_of_the_csv_gets_its_line(
    clips: SmallVGGSound, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(clips, tmp_path / "manifest.parquet")) == 0
    rows = pq.read_table(tmp_path / "manifest.parquet").to_pylist()
    assert len(rows) == len(clips.csv.read_text().splitlines())
    reasons = {(row["clip_id"].rpartition("_")[0], row["reason"]) for row in rows if row["status"] == "rejected"}
    assert reasons == {*BAD.items(), ("missingclip", "missing"), ("goodclip000", "duplicate")}
    good = next(row for row in rows if row["clip_id"] == "goodclip003_000003")
    assert good["path"] == str(clips.media / "goodclip003_000003.mp4")
    assert (good["label"], good["split"], good["start"], good["status"]) == ("class 3", "train", 3, "ok")
    assert good["duration"] == pytest.approx(2.0, abs=0.1)
    used = ids_hash(f"goodclip{number:03d}_{number:06d}" for number in range(12, 16))
    page = (tmp_path / "manifest.md").read_text()
    assert f"Test clips used: 4. Hash of their ids: `{used}`" in page
    assert "| split | clips | usable | duplicate | missing | no_audio | short | silent | undecodable |" in page
    assert "| train | 15 | 12 | 1 | 0 | 1 | 1 | 0 | 0 |" in page
    assert used in capsys.readouterr().out


def test_a_list_of_test_ids_decides_which_are_used(clips: SmallVGGSound, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("goodclip013_000013\nsilentsilen_000001\n")
    assert main([*arguments(clips, tmp_path / "manifest.parquet"), "--test_ids", str(tmp_path / "ids.txt")]) == 0
    page = (tmp_path / "manifest.md").read_text()
    assert f"Test clips used: 1. Hash of their ids: `{ids_hash(['goodclip013_000013'])}`" in page
    assert "The list of test ids has 2; 1 of them are not usable here." in page


def test_what_is_wrong_is_one_line(clips: SmallVGGSound, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["manifest", "--csv", str(tmp_path / "no.csv"), "--media", str(clips.media)]) == 2
    assert capsys.readouterr().err == f"error: csv {tmp_path / 'no.csv'}: there is no such file\n"
    assert main([*arguments(clips, tmp_path / "m.parquet"), "--seconds", "0"]) == 2
    assert "--seconds" in capsys.readouterr().err
