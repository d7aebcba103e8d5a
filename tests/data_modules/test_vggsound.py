"""From a csv and a folder to batches, by way of a store or without one."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from v2a_lightning.data_modules import EmbeddingDataModule, Splits, VGGSoundDataModule
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.media import read_audio, read_frames

from .conftest import AUDIO, BAD, FRAMES, SmallVGGSound, write_good_clip
from .encoders import SmallClap, SmallClip

MakeData = Callable[..., VGGSoundDataModule]


def ready(data: VGGSoundDataModule, *stages: str) -> VGGSoundDataModule:
    data.prepare_data()
    for stage in stages or ("fit", "test"):
        data.setup(stage)
    return data


def test_batches_hold_what_the_encoders_say_of_each_clip(make_data: MakeData) -> None:
    data = ready(make_data(precision="float32"))
    clip, clap = SmallClip(), SmallClap()
    seen = []
    for batch in data.test_dataloader():
        assert set(batch) == {"clip_id", "label", "frames", "frame_mask", "target"}
        assert batch["frames"].dtype == batch["target"].dtype == torch.float32
        assert batch["frame_mask"].dtype == torch.bool
        for row, clip_id in enumerate(batch["clip_id"]):
            frames = torch.from_numpy(read_frames(data.source(clip_id), FRAMES))
            waveform = read_audio(data.source(clip_id), AUDIO)
            torch.testing.assert_close(batch["frames"][row], clip.encode_frames(frames), atol=1e-6, rtol=0)
            torch.testing.assert_close(
                batch["target"][row, 0], clap.encode_audio(waveform[None], 16_000)[0], atol=1e-6, rtol=0
            )
            assert batch["frame_mask"][row].all()
            assert batch["label"][row] == f"class {int(clip_id[-6:]) % 4}"
            np.testing.assert_array_equal(data.reference_waveform(clip_id), waveform)
        seen += batch["clip_id"]
    assert seen == [f"goodclip{number:03d}_{number:06d}" for number in range(12, 16)]


def test_on_the_fly_gives_the_same_batches_as_the_store(make_data: MakeData, tmp_path: Path) -> None:
    cached = ready(make_data(precision="float32"))
    live = ready(make_data(mode="on_the_fly", store=str(tmp_path / "live")))
    assert live.usable_clips == cached.usable_clips
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        for raw, wanted in zip(getattr(live, loader)(), getattr(cached, loader)(), strict=True):
            batch = live.on_after_batch_transfer(live.transfer_batch_to_device(raw, torch.device("cpu"), 0), 0)
            assert (batch["clip_id"], batch["label"]) == (wanted["clip_id"], wanted["label"])
            torch.testing.assert_close(batch["frames"], wanted["frames"], atol=1e-6, rtol=0)
            torch.testing.assert_close(batch["frame_mask"], wanted["frame_mask"], atol=0, rtol=0)
            torch.testing.assert_close(batch["target"], wanted["target"], atol=1e-6, rtol=0)


@pytest.mark.parametrize("mode", ["cached", "on_the_fly"])
def test_what_cannot_be_used_is_listed_with_its_reason(make_data: MakeData, mode: str) -> None:
    data = ready(make_data(mode=mode), "fit")
    found = {reject.clip_id.rpartition("_")[0]: reject.reason for reject in data.rejects}
    assert found == {**BAD, "missingclip": "missing", "goodclip000": "duplicate"}
    assert len(data.clip_ids("train")) + len(data.clip_ids("validation")) == 12
    if mode == "cached":
        with open(Path(data.store_url) / "rejects.csv", newline="") as file:
            rows = {row["clip_id"]: row for row in csv.DictReader(file)}
        assert rows["silentsilen_000001"]["reason"] == "silent"
        assert rows["silentsilen_000001"]["path"] == str(data.source("silentsilen_000001"))
        assert len(rows) == 6


def test_the_encoders_run_once_and_new_clips_cost_only_themselves(
    make_data: MakeData, vggsound: SmallVGGSound, tmp_path: Path
) -> None:
    ready(make_data(splits=Splits(0.2, max_clips=3)))
    again = make_data(splits=Splits(0.2, max_clips=3))
    ready(again)
    assert (again.encoders.encoder.calls, again.encoders.clap.calls) == (0, 0)  # type: ignore[attr-defined, union-attr]
    more = ready(make_data())
    assert {path.name for path in Path(more.store_url).iterdir()} >= {"rejects.csv"}
    table = more._datasets["train"].table  # type: ignore[attr-defined]
    assert len(table) == 12
    ids = [clip_id for batch in more.train_dataloader() for clip_id in batch["clip_id"]]
    assert sorted(ids) == more.clip_ids("train")


def test_a_repaired_file_is_tried_again(make_data: MakeData, vggsound: SmallVGGSound, tmp_path: Path) -> None:
    media = tmp_path / "media"
    media.mkdir()
    for path in sorted(vggsound.media.glob("goodclip*"))[:4]:
        (media / path.name).write_bytes(path.read_bytes())
    broken = media / "goodclip003_000003.mp4"
    content = broken.read_bytes()
    broken.write_bytes(content[: len(content) // 3])
    data = ready(make_data(media=str(media)), "fit")
    assert [reject.reason for reject in data.rejects if "goodclip003" in reject.clip_id] == ["undecodable"]
    write_good_clip(broken, 3)
    data = ready(make_data(media=str(media)), "fit")
    assert "goodclip003_000003" in {clip.clip_id for clip in data.usable_clips}
    assert "goodclip003_000003" not in {reject.clip_id for reject in data.rejects}


def test_other_encoders_or_specs_are_refused_and_both_are_named(make_data: MakeData) -> None:
    ready(make_data())
    with pytest.raises(UsageError, match=r"SmallClip:0 .* SmallClip:1 .* data.store"):
        make_data(encoder=SmallClip(1)).prepare_data()
    with pytest.raises(UsageError, match=r"frames-4fps-2s, .* frames-2fps-2s"):
        make_data(frames=type(FRAMES)(2, 2)).prepare_data()
    with pytest.raises(UsageError, match=r"audio-16000hz-2s, .* audio-16000hz-1s"):
        make_data(audio=type(AUDIO)(16_000, 1)).prepare_data()


def test_the_held_out_clips_belong_to_their_ids(make_data: MakeData, tmp_path: Path) -> None:
    data = ready(make_data(), "fit")
    held = data.clip_ids("validation")
    assert 1 <= len(held) < 8
    assert ready(make_data(batch_size=2, seed=5), "fit").clip_ids("validation") == held
    assert len(ready(make_data(splits=Splits(validation_clips=5)), "fit").clip_ids("validation")) == 5
    assert ready(make_data(splits=Splits(validation_fraction=0.0)), "fit").val_dataloader() == []
    assert set(ready(make_data(splits=Splits(0.2, max_clips=6))).clip_ids("train")) < set(data.clip_ids("train")) | set(
        held
    )


def test_a_list_of_test_ids_is_kept_to(make_data: MakeData, tmp_path: Path) -> None:
    listed = tmp_path / "ids.txt"
    listed.write_text("goodclip013_000013.mp4\ngoodclip015_000015\nnever_heard_of\n")
    data = ready(make_data(test_ids=str(listed)))
    assert data.clip_ids("test") == ["goodclip013_000013", "goodclip015_000015"]
    assert data.ids_hash() != ready(make_data()).ids_hash()
    assert len(data.ids_hash()) == 64


def test_the_order_of_training_depends_on_seed_and_epoch_alone(make_data: MakeData) -> None:
    def order(epoch: int, **arguments: object) -> list[str]:
        loader = ready(make_data(**arguments), "fit").train_dataloader()
        loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        torch.manual_seed(epoch + 77)
        return [clip_id for batch in loader for clip_id in batch["clip_id"]]

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert order(1) != order(1, seed=1)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (None, r"csv .*: there is no such file"),
        ("", r"is empty"),
        ("goodclip000,0,class 0,train\ngoodclip001,1,train\n", r"line 2: 3 columns"),
        ("youtube,start,label,split\n", r"line 1: the start second is a whole number, not 'start'"),
        ("goodclip000,0,,train\n", r"line 1: a column is empty"),
    ],
)
def test_a_wrong_csv_is_named_with_its_line(
    make_data: MakeData, tmp_path: Path, lines: str | None, message: str
) -> None:
    path = tmp_path / "clips.csv"
    if lines is not None:
        path.write_text(lines)
    with pytest.raises(UsageError, match=message):
        make_data(csv=str(path)).prepare_data()


def test_no_clip_left_says_what_became_of_them(make_data: MakeData, tmp_path: Path) -> None:
    path = tmp_path / "clips.csv"
    path.write_text("silentsilen,1,bad,train\nnothere0000,3,bad,train\n")
    with pytest.raises(RunFailure, match=r"no clip left for train: the data names 2 clips .* 1 missing, 1 silent"):
        ready(make_data(csv=str(path)), "fit")
    with pytest.raises(UsageError, match=r"media .*: there is no such folder"):
        make_data(media=str(tmp_path / "nowhere")).prepare_data()


def test_a_clip_that_vanishes_on_the_fly_stops_the_run(
    make_data: MakeData, tmp_path: Path, vggsound: SmallVGGSound
) -> None:
    media = tmp_path / "media"
    media.mkdir()
    for path in sorted(vggsound.media.glob("goodclip*"))[:3]:
        (media / path.name).write_bytes(path.read_bytes())
    data = ready(make_data(media=str(media), mode="on_the_fly"), "fit")
    for path in media.iterdir():
        path.unlink()
    batch = next(iter(data.train_dataloader()))
    with pytest.raises(RunFailure, match=r"goodclip.*missing"):
        data.on_after_batch_transfer(batch, 0)


def test_a_finished_store_needs_nothing_else(make_data: MakeData) -> None:
    made = ready(make_data())
    data = EmbeddingDataModule(made.store_url, batch_size=4, splits=Splits(0.2))
    data.prepare_data()
    data.setup("fit")
    data.setup("test")
    assert data.has_audio
    assert data.clip_ids("validation") == made.clip_ids("validation")
    for ours, theirs in zip(data.train_dataloader(), made.train_dataloader(), strict=True):
        assert ours["clip_id"] == theirs["clip_id"]
        assert ours["label"] == theirs["label"]
        torch.testing.assert_close(ours["frames"], theirs["frames"], atol=0, rtol=0)
    np.testing.assert_array_equal(
        data.reference_waveform("goodclip003_000003"), made.reference_waveform("goodclip003_000003")
    )
    assert {reject.reason for reject in data.rejects} == set(BAD.values())
    with pytest.raises(UsageError, match="no embedding store"):
        EmbeddingDataModule(str(Path(made.store_url) / "nothing")).setup("fit")
