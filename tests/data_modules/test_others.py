"""Pictures by class, the miniature world, and data modules named in YAML."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from jsonargparse import ArgumentParser
from lightning.pytorch import LightningDataModule
from PIL import Image

from v2a_lightning.data_modules import (
    Decoding,
    EmbeddingDataModule,
    ImageHearDataModule,
    MiniatureDataModule,
    Splits,
    VGGSoundDataModule,
)
from v2a_lightning.errors import UsageError

from .encoders import SmallClap, SmallClip


@pytest.mark.parametrize("mode", ["cached", "on_the_fly"])
def test_pictures_are_named_by_folder_or_by_file(tmp_path: Path, mode: Any) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 40, 50, 3), dtype=np.uint8)
    names = ["dog1.jpg", "fire truck12.png", "bell/a.png", "cat/1.png"]
    for name, picture in zip(names, pixels, strict=True):
        (tmp_path / "pictures" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(tmp_path / "pictures" / name)
    (tmp_path / "pictures" / "bell" / "broken.jpg").write_bytes(b"no picture")
    data = ImageHearDataModule(
        str(tmp_path / "pictures"),
        store=str(tmp_path / "store"),
        encoder=SmallClip(),  # type: ignore[arg-type]
        batch_size=3,
        mode=mode,
    )
    data.prepare_data()
    data.setup("test")
    batches = [data.on_after_batch_transfer(batch, 0) for batch in data.test_dataloader()]
    labels = {batch["clip_id"][row]: batch["label"][row] for batch in batches for row in range(len(batch["clip_id"]))}
    assert labels == {"dog1": "dog", "fire truck12": "fire truck", "bell_a": "bell", "cat_1": "cat"}
    assert [tuple(batch["frames"].shape) for batch in batches] == [(3, 1, 512), (1, 1, 512)]
    assert all("audio" not in batch for batch in batches)
    assert not data.has_audio
    assert [(reject.clip_id, reject.reason) for reject in data.rejects] == [("bell_broken", "undecodable")]
    assert data.source("cat_1") == tmp_path / "pictures" / "cat" / "1.png"
    with pytest.raises(UsageError, match="no true sound"):
        data.reference_waveform("cat_1")


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no picture in it"):
        ImageHearDataModule(str(tmp_path), encoder=SmallClip()).prepare_data()


def test_the_miniature_is_rendered_on_first_use(tmp_path: Path) -> None:
    def world(**arguments: Any) -> MiniatureDataModule:
        defaults = {
            "clips": 14, "encoder": SmallClip(), "clap": SmallClap(), "decoding": Decoding(num_workers=1),
            "splits": Splits(validation_clips=3),
        }  # fmt: skip
        return MiniatureDataModule(str(tmp_path / "world"), **{**defaults, **arguments})

    data = world()
    data.prepare_data()
    for stage in ("fit", "test"):
        data.setup(stage)
    assert [len(data.clip_ids(split)) for split in ("train", "validation", "test")] == [9, 3, 2]
    assert data.rejects == []
    batch = next(iter(data.test_dataloader()))
    assert batch["frames"].shape == (2, 10, 512)
    assert data.reference_waveform(batch["clip_id"][0]).shape == (40_960,)
    rendered = {path: path.stat().st_mtime_ns for path in (tmp_path / "world" / "clips").iterdir()}
    elsewhere = world(splits=Splits(test_split="ood"))
    elsewhere.prepare_data()
    elsewhere.setup("test")
    assert len(elsewhere.clip_ids("ood")) == 1
    assert {path: path.stat().st_mtime_ns for path in rendered} == rendered
    with pytest.raises(UsageError, match=r"holds the world .*'clips': 14.* give another root"):
        world(clips=15).prepare_data()


CONFIG = """
class_path: v2a_lightning.data_modules.VGGSoundDataModule
init_args:
  csv: clips.csv
  media: clips
  store: store
  encoder: {class_path: v2a_lightning.encoders.ClipEncoder, init_args: {checkpoint: here}}
  clap: {checkpoint: there}
  frames: {frames_per_second: 4, duration: 2.56}
  audio: {sample_rate: 16000, duration: 2.56}
  mode: on_the_fly
"""


def parse(text: str) -> Any:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(LightningDataModule, "data")
    return parser.instantiate_classes(parser.parse_object({"data": yaml.safe_load(text)})).data


def test_a_config_names_encoders_in_full_or_by_their_arguments() -> None:
    data = parse(CONFIG)
    assert isinstance(data, VGGSoundDataModule)
    assert (data.encoders.encoder.checkpoint, data.encoders.clap.checkpoint) == ("here", "there")  # type: ignore[attr-defined, union-attr]
    assert (data.encoders.frames.count, data.encoders.audio.samples, data.mode) == (10, 40_960, "on_the_fly")  # type: ignore[union-attr]
    assert isinstance(parse("v2a_lightning.data_modules.MiniatureDataModule"), MiniatureDataModule)
    assert isinstance(
        parse("{class_path: v2a_lightning.data_modules.EmbeddingDataModule, init_args: {store: s}}"),
        EmbeddingDataModule,
    )


@pytest.mark.parametrize("mode", ["cached", "on_the_fly"])
def test_a_data_module_can_be_sent_to_another_process(make_data: Callable[..., VGGSoundDataModule], mode: str) -> None:
    data = make_data(mode=mode, splits=Splits(0.2, max_clips=3))
    data.prepare_data()
    data.setup("fit")
    batch = data._datasets["train"].__getitems__([0])  # type: ignore[attr-defined]
    again = pickle.loads(pickle.dumps(data))._datasets["train"].__getitems__([0])
    assert again["clip_id"] == batch["clip_id"]
    key = "frames" if mode == "cached" else "waves"
    torch.testing.assert_close(again[key], batch[key], atol=0, rtol=0)


def test_arguments_that_cannot_be_are_named(make_data: Callable[..., VGGSoundDataModule]) -> None:
    for arguments, message in (
        ({"batch_size": 0}, "data.batch_size"),
        ({"mode": "magic"}, "data.mode"),
    ):
        with pytest.raises(UsageError, match=message):
            make_data(**arguments)


def test_a_manifest_spares_what_it_rejects(make_data: Callable[..., VGGSoundDataModule], tmp_path: Path) -> None:
    from v2a_lightning.data_modules.manifest import inspect_clips, manifest_bytes

    whole = make_data()
    rows = inspect_clips(whole.named_clips, whole.encoders.frames, whole.encoders.audio, whole.decoding)
    (tmp_path / "manifest.parquet").write_bytes(manifest_bytes(rows))
    data = make_data(manifest=str(tmp_path / "manifest.parquet"))
    assert len(data.extraction().clips) == 16
    whole.prepare_data()
    assert {(one.clip_id, one.reason) for one in data.rejects} == {(one.clip_id, one.reason) for one in whole.rejects}
    live = make_data(manifest=str(tmp_path / "manifest.parquet"), mode="on_the_fly")
    live.prepare_data()
    live.setup("fit")
    batch = live.on_after_batch_transfer(next(iter(live.train_dataloader())), 0)
    assert torch.isfinite(batch["frames"]).all()
    with pytest.raises(UsageError, match="no such file"):
        make_data(manifest=str(tmp_path / "none.parquet")).extraction()
