"""`manifest` looks at every clip and says what is wrong with it."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from v2a_lightning.app.cli import main
from v2a_lightning.data_modules.clips import ids_hash
from v2a_lightning.data_modules.extraction import Decoding
from v2a_lightning.data_modules.manifest import inspect_clips, manifest_bytes, read_manifest
from v2a_lightning.data_modules.vggsound import read_vggsound_csv, with_files
from v2a_lightning.evaluation.cards import clips_sha256
from v2a_lightning.media import write_clip
from v2a_lightning.specs import FrameSpec

from ..data_modules.conftest import BAD, SmallVGGSound, write_vggsound
from ..media.conftest import numbered_frames, tone, write_sound


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
    listed = tmp_path / "manifest.test_ids.txt"
    assert hashlib.sha256(listed.read_bytes()).hexdigest() == used == clips_sha256(listed.read_text().splitlines())
    assert len(listed.read_text().splitlines()) == 4


def write_hanging(path: Path) -> None:
    """A clip that FFmpeg opens and then waits for: a list of one part, which is a pipe that nobody writes to."""
    os.mkfifo(path.with_suffix(".pipe"))
    path.write_text(f"ffconcat version 1.0\nfile {path.stem}.pipe\n")


def test_each_thing_that_can_be_wrong_is_told_from_the_others(
    clips: SmallVGGSound, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    media = tmp_path / "clips"
    frames = np.repeat(numbered_frames(1), 16, 0)
    write_clip(media / "stillstills_000001.mp4", frames, 8, tone(2.0, 16_000), 16_000)
    write_sound(media / "soundsounds_000001.mp4", tone(2.0, 48_000)[None], 48_000, "aac", "mono")
    write_hanging(media / "hanghanghan_000001.mp4")
    names = ("stillstills", "soundsounds", "hanghanghan")
    (tmp_path / "clips.csv").write_text("".join(f"{name},1,bad,test\n" for name in names))
    own = SmallVGGSound(tmp_path / "clips.csv", media)
    output = tmp_path / "manifest.parquet"
    patient = [*arguments(own, output), "--timeout", "5"]
    assert main(patient) == 0
    rows = {row["clip_id"].partition("_")[0]: row for row in pq.read_table(output).to_pylist()}
    found = {name: (row["status"], row["reason"]) for name, row in rows.items()}
    assert found == {
        "stillstills": ("ok", "still"),
        "soundsounds": ("rejected", "no_video"),
        "hanghanghan": ("rejected", "timeout"),
    }
    (media / "hanghanghan_000001.mp4").unlink()
    assert main([*patient, "--keep_still", "false"]) == 0
    rows = {row["clip_id"].partition("_")[0]: row for row in pq.read_table(output).to_pylist()}
    assert (rows["stillstills"]["status"], rows["hanghanghan"]["reason"]) == ("rejected", "missing")


def test_what_was_looked_at_before_is_not_looked_at_again(clips: SmallVGGSound, tmp_path: Path) -> None:
    output = tmp_path / "manifest.parquet"
    looked = [*arguments(clips, output)]
    assert main(looked) == 0
    rows = read_manifest(output)
    marked = [replace(row, detail="as before") for row in rows if row.status == "ok"][:5]
    output.write_bytes(manifest_bytes(marked, "frames-4fps-2s audio-16000hz-2s"))
    assert main(looked) == 0
    again = read_manifest(output)
    assert [row.clip_id for row in again] == [row.clip_id for row in rows]
    assert [row.clip_id for row in again if row.detail == "as before"] == [row.clip_id for row in marked]
    output.write_bytes(manifest_bytes(marked, "frames-1fps-10s audio-16000hz-10s"))
    assert main(looked) == 0
    assert read_manifest(output) == rows


def test_a_long_look_is_saved_on_the_way(clips: SmallVGGSound, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("v2a_lightning.data_modules.manifest.SAVE_SECONDS", 0.0)
    named = with_files(read_vggsound_csv(clips.csv), clips.media)[:4]
    saved: list[int] = []
    rows = inspect_clips(
        named, FrameSpec(4, 2), None, Decoding(num_workers=1), save=lambda some: saved.append(len(some))
    )
    assert saved == [1, 2, 3, 4]
    assert [row.clip_id for row in rows] == [clip.clip_id for clip in named]


def test_a_list_of_test_ids_decides_which_are_used(clips: SmallVGGSound, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("goodclip013_000013\nsilentsilen_000001\n")
    assert main([*arguments(clips, tmp_path / "manifest.parquet"), "--test_ids", str(tmp_path / "ids.txt")]) == 0
    page = (tmp_path / "manifest.md").read_text()
    assert f"Test clips used: 1. Hash of their ids: `{ids_hash(['goodclip013_000013'])}`" in page
    assert "The list of test ids has 2; 1 of them are not usable here." in page


def test_names_of_files_and_splits_that_do_not_fit_are_said(
    clips: SmallVGGSound, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "0nYltlo90Zc_147000_157000.mp4").symlink_to(clips.media / "goodclip003_000003.mp4")
    (tmp_path / "clips.csv").write_text("0nYltlo90Zc,147,dog,Test\n")
    assert main(arguments(SmallVGGSound(tmp_path / "clips.csv", tmp_path / "clips"), tmp_path / "m.parquet")) == 0
    said = capsys.readouterr().err
    assert "holds 0nYltlo90Zc_147000_157000.mp4, for instance, and 0nYltlo90Zc_000147.mp4 is looked for" in said
    assert "splits that nothing uses: 'Test' (1 clips)" in said


def test_what_is_wrong_is_one_line(clips: SmallVGGSound, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["manifest", "--csv", str(tmp_path / "no.csv"), "--media", str(clips.media)]) == 2
    assert capsys.readouterr().err == f"error: csv {tmp_path / 'no.csv'}: there is no such file\n"
    assert main([*arguments(clips, tmp_path / "m.parquet"), "--seconds", "0"]) == 2
    assert "--seconds" in capsys.readouterr().err


def test_any_data_set_is_looked_at_by_its_config(
    clips: SmallVGGSound, tiny_config: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_config["data"] = {
        "class_path": "tests.data_modules.test_data_sets.OneOfMyOwn", "init_args": {"media": str(clips.media)}
    }  # fmt: skip
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tiny_config))
    output, sizes = tmp_path / "own.parquet", ["data.frames.duration=2", "data.audio.duration=2"]
    command = ["manifest", "--data", str(tmp_path / "config.yaml"), "--output", str(output), "--set", *sizes]
    assert main(command) == 0
    rows = {row.clip_id: (row.label, row.status) for row in read_manifest(output)}
    assert rows["goodclip003_000003"] == ("goodclip003", "ok")
    assert rows["silentsilen_000001"] == ("silentsilen", "rejected")
    assert len(rows) == 20
    assert main(["manifest", "--output", str(output)]) == 2
    assert "say which clips: --csv and --media, or --data" in capsys.readouterr().err
