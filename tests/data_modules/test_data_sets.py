"""Each data set in its published layout: clips are found with their labels and splits, embedded, and trained on."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from v2a_lightning.data_modules import (
    AudioCapsDataModule,
    AudioSetDataModule,
    Clip,
    Decoding,
    EncodedDataModule,
    FoleyBenchDataModule,
    GreatestHitsDataModule,
    Splits,
    VGGSoundDataModule,
    VideoFolderDataModule,
)
from v2a_lightning.errors import UsageError
from v2a_lightning.mapper import AverageFrames, MLPRegressor, Regression
from v2a_lightning.module import V2AMapper

from .conftest import AUDIO, FRAMES, write_good_clip
from .encoders import SmallClap, SmallClip

Make = Callable[..., Any]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """make(class, names, **arguments): a data module over clips of these names in the folder `media`."""

    def made(kind: type[EncodedDataModule], names: list[str], **arguments: Any) -> EncodedDataModule:
        for number, name in enumerate(names):
            write_good_clip(tmp_path / "media" / name, number)
        encoders: dict[str, Any] = {"encoder": SmallClip(), "clap": SmallClap(), "frames": FRAMES, "audio": AUDIO}
        arguments = {"decoding": Decoding(num_workers=1), "splits": Splits(0.0), "batch_size": 2, **arguments}
        return kind(media=str(tmp_path / "media"), **encoders, **arguments)

    return made


def write(folder: Path, files: Mapping[str, str]) -> str:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return str(folder)


def labels_of(clips: list[Clip]) -> dict[str, tuple[str, str]]:
    return {clip.clip_id: (clip.split, clip.label) for clip in clips}


def train_a_step(data: EncodedDataModule) -> V2AMapper:
    """Embed, and train one step (test where nothing is to train on)."""
    torch.manual_seed(0)
    mapper = V2AMapper(MLPRegressor(depth=1), Regression(), AverageFrames())
    trainer = lightning.Trainer(
        accelerator="cpu", devices=1, logger=False, enable_checkpointing=False, enable_progress_bar=False, max_steps=1,
        limit_val_batches=0, num_sanity_val_steps=0,
    )  # fmt: skip
    if any(clip.split == "train" for clip in data.named_clips):
        trainer.fit(mapper, datamodule=data)
        assert trainer.global_step == 1
    else:
        trainer.test(mapper, datamodule=data, verbose=False)
    assert Path(data.store_url).is_dir()
    return mapper


class OneOfMyOwn(EncodedDataModule):
    def find_clips(self) -> list[Clip]:
        return [Clip(name, name.partition("_")[0], "train", path) for name, path in self.media_files().items()]


def test_a_data_set_of_ones_own_is_find_clips(make: Make, tmp_path: Path) -> None:
    data = make(OneOfMyOwn, ["dog_1.mp4", "cat_2.mp4", "cat_3.mp4"])
    train_a_step(data)
    assert data.store_url == f"{tmp_path}/media-embeddings"
    (first, _) = data.train_dataloader()
    assert set(first["label"]) <= {"dog", "cat"}
    assert OneOfMyOwn(str(tmp_path / "media")).named_clips == data.named_clips


def test_vggsounder_corrects_the_labels_of_the_test(make: Make, tmp_path: Path) -> None:
    lists = write(tmp_path / "lists", {
        "vggsound.csv": "aaa,1,dog barking,train\nbbb,2,dog barking,test\nccc,3,church bell,test\nddd,4,cat,test\n",
        "vggsounder.csv": (
            "video_id,label,modality,background_music,static_image,voice_over\n"
            'bbb_000002,"male speech, man speaking",AV,False,False,False\nbbb_000002,dog barking,A,False,False,False\n'
            "bbb_000002,car,V,False,False,False\nccc_000003,people crowd,V,False,False,False\n"
            "aaa_000001,wrong,A,False,False,False\n"
        ),
    })  # fmt: skip
    names = ["aaa_000001.mp4", "bbb_000002.mp4", "ccc_000003.mp4", "ddd_000004.mp4"]
    data = make(VGGSoundDataModule, names, csv=f"{lists}/vggsound.csv", vggsounder=f"{lists}/vggsounder.csv")
    assert labels_of(data.named_clips) == {
        "aaa_000001": ("train", "dog barking"),
        "bbb_000002": ("test", "male speech, man speaking; dog barking"),
        "ccc_000003": ("test", "people crowd"),
        "ddd_000004": ("test", "cat"),
    }
    train_a_step(data)


def test_a_folder_of_videos_is_labelled_by_its_folders(make: Make) -> None:
    data = make(VideoFolderDataModule, ["train/dog/1.mp4", "train/cat/1.mp4", "val/dog/2.mp4", "test/a.b.mp4"])
    assert labels_of(data.named_clips) == {
        "train_dog_1": ("train", "dog"),
        "train_cat_1": ("train", "cat"),
        "val_dog_2": ("validation", "dog"),
        "test_a.b": ("test", "video"),
    }
    train_a_step(data)


def test_a_folder_without_splits_is_split_by_ids(make: Make, tmp_path: Path) -> None:
    for number in range(60):
        (tmp_path / "media" / "bell").mkdir(parents=True, exist_ok=True)
        (tmp_path / "media" / "bell" / f"{number}.mp4").touch()
    data = make(VideoFolderDataModule, [], splits=Splits(0.2))
    clips = data.named_clips
    tested = {clip.clip_id for clip in clips if clip.split == "test"}
    assert 2 <= len(tested) <= 15
    (tmp_path / "media" / "bell" / "new.mp4").touch()
    again = make(VideoFolderDataModule, [], splits=Splits(0.2)).named_clips
    assert {clip.clip_id for clip in again if clip.split == "test"} - {"bell_new"} == tested
    held = [clip for clip in data.usable_clips if clip.split == "validation"]
    assert len(held) > 2, "what is tested says nothing about what is held out"


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_a_folder_of_videos_is_described_by_a_table(make: Make, tmp_path: Path, ending: str) -> None:
    rows = {"file": ["1.mp4", "b/2.mp4", "gone.mp4"], "caption": ["a dog, far", "", "x"], "split": ["val", "", "test"]}
    table = tmp_path / f"table.{ending}"
    if ending == "parquet":
        pq.write_table(pa.table({**rows, "video": pa.array([b"", b"", b""])}), table)
    else:
        mark = "," if ending == "csv" else "\t"
        lines = [mark.join(rows), *(mark.join(f'"{one}"' for one in row) for row in zip(*rows.values(), strict=True))]
        table.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    data = make(VideoFolderDataModule, ["a/1.mp4", "b/2.mp4", "b/3.mp4"], csv=str(table))
    assert labels_of(data.named_clips) == {
        "a_1": ("validation", "a dog, far"),
        "b_2": ("train", "b"),
        "gone": ("test", "x"),
    }
    assert [(one.clip_id, one.reason) for one in data.rejects] == [("gone", "missing")]
    train_a_step(data)


AUDIOSET = {
    "class_labels_indices.csv": 'index,mid,display_name\n0,/m/09x0r,"Speech"\n1,/m/0bt9lr,"Dog, hound"\n',
    "balanced_train_segments.csv": (
        "# Segments csv created Sun Mar  5 10:54:31 2017\n# num_ytids=3\n"
        "# YTID, start_seconds, end_seconds, positive_labels\n"
        '--PJHxphWEs, 30.000, 40.000, "/m/09x0r,/m/0bt9lr"\naaaaaaaaaaa, 0.000, 10.000, "/m/0bt9lr"\n'
    ),
    "unbalanced_train_segments.csv": 'bbbbbbbbbbb, 5.000, 15.000, "/m/09x0r"\n',
    "eval_segments.csv": 'ccccccccccc, 10.500, 20.500, "/t/dd00099"\nddddddddddd, 7.000, 17.000, "/m/09x0r"\n',
}


def test_audioset_by_any_usual_name(make: Make, tmp_path: Path) -> None:
    lists = write(tmp_path / "lists", AUDIOSET)
    names = ["--PJHxphWEs_30000_40000.mp4", "Yaaaaaaaaaaa.mp4", "bbbbbbbbbbb_000005.mp4", "ccccccccccc_10.500.mkv"]
    data = make(AudioSetDataModule, names, metadata=lists)
    assert labels_of(data.named_clips) == {
        "--PJHxphWEs_000030": ("train", "Speech; Dog, hound"),
        "aaaaaaaaaaa_000000": ("train", "Dog, hound"),
        "ccccccccccc_000010": ("test", "/t/dd00099"),
        "ddddddddddd_000007": ("test", "Speech"),
    }
    assert [clip.path.name if clip.path else None for clip in data.named_clips] == [*names[:2], names[3], None]
    train_a_step(data)
    more = make(AudioSetDataModule, [], metadata=lists, unbalanced=True)
    assert labels_of(more.named_clips)["bbbbbbbbbbb_000005"] == ("train", "Speech")


def test_a_line_of_audioset_that_is_none_is_named(make: Make, tmp_path: Path) -> None:
    lists = write(tmp_path / "lists", {**AUDIOSET, "eval_segments.csv": "# YTID\nccc, ten, 20, /m/0\n"})
    with pytest.raises(UsageError, match=r"eval_segments\.csv, line 2: expected YTID, start_seconds"):
        make(AudioSetDataModule, ["a.mp4"], metadata=lists).find_clips()


def test_audiocaps_has_a_caption_a_clip(make: Make, tmp_path: Path) -> None:
    head = "audiocap_id,youtube_id,start_time,caption\n"
    lists = write(tmp_path / "lists", {
        "train.csv": f'{head}91139,r1nicOVtvkQ,130,"A woman talks, water pours"\n58146,UDGBjjwyaqE,20,Clanging\n',
        "val.csv": f"{head}1,vvvvvvvvvvv,3,Wind blows\n",
        "test.csv": f"{head}2,ttttttttttt,0,A dog barks\n3,ttttttttttt,0,Barking\n",
    })  # fmt: skip
    names = ["r1nicOVtvkQ_130.mp4", "58146.mp4", "vvvvvvvvvvv_3_13.mp4", "ttttttttttt_000000.mp4"]
    data = make(AudioCapsDataModule, names, metadata=lists)
    assert labels_of(data.named_clips) == {
        "r1nicOVtvkQ_000130": ("train", "A woman talks, water pours"),
        "UDGBjjwyaqE_000020": ("train", "Clanging"),
        "vvvvvvvvvvv_000003": ("validation", "Wind blows"),
        "ttttttttttt_000000": ("test", "A dog barks"),
    }
    assert data.rejects == []
    train_a_step(data)
    (tmp_path / "lists" / "val.csv").write_text("youtube_id,start_time,text\na,1,b\n")
    with pytest.raises(UsageError, match=r"val\.csv, line 1: no column audiocap_id; the columns are youtube_id"):
        make(AudioCapsDataModule, [], metadata=lists).find_clips()


def test_greatest_hits_are_labelled_by_what_is_hit(make: Make, tmp_path: Path) -> None:
    ids = ["2015-02-16-16-49-06", "2015-02-21-17-10-09", "2015-03-28-19-45-24"]
    names = [f"{ids[0]}_denoised.mp4", f"{ids[0]}_mic.mp4", f"{ids[1]}_denoised_thumb.mp4", f"{ids[2]}_denoised.mp4"]
    data = make(GreatestHitsDataModule, names)
    write(tmp_path / "media", {
        f"{ids[0]}_times.txt": "0.5 wood hit static\n1.0 metal scratch deform\n1.5 wood hit None\n9 leaf hit static\n",
        f"{ids[1]}_times.txt": "12.0 leaf hit scatter\n13.0 None None None\n",
        f"{ids[2]}_times.txt": "",
        "train.txt": f"{ids[0]}\n{ids[1]}\n", "test.txt": f"{ids[2]}\n",
    })  # fmt: skip
    assert labels_of(data.named_clips) == {
        ids[0]: ("train", "hit wood; scratch metal"),
        ids[1]: ("train", "hit leaf"),
        ids[2]: ("test", ""),
    }
    assert data.source(ids[0]).name == names[0]
    train_a_step(data)
    other = make(GreatestHitsDataModule, [], sound="mic", store=str(tmp_path / "mic"))
    assert [clip.path.name if clip.path else None for clip in other.named_clips] == [names[1], None, None]


def test_foleybench_is_a_test(make: Make, tmp_path: Path) -> None:
    table = pa.table({"key": ["12", "7"], "caption": ["A door slams", "Rain"], "ucs_category": ["DOORS", "RAIN"]})
    data = make(FoleyBenchDataModule, ["12.mp4", "7.mp4"])
    pq.write_table(table, tmp_path / "metadata.parquet")
    assert labels_of(data.named_clips) == {"12": ("test", "DOORS"), "7": ("test", "RAIN")}
    captions = make(FoleyBenchDataModule, [], label="caption")
    assert labels_of(captions.named_clips) == {"12": ("test", "A door slams"), "7": ("test", "Rain")}
    train_a_step(data)
    (tmp_path / "other.csv").touch()
    with pytest.raises(UsageError, match=r"one table is looked for, and there are: metadata\.parquet, other\.csv"):
        make(FoleyBenchDataModule, []).find_clips()
