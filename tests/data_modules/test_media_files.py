"""Clips behind URLs and in tars give the store that the same clips in a folder give."""

import tarfile
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest
import torch

from v2a_lightning.data_modules import Decoding, EmbeddingDataModule, Splits, VGGSoundDataModule, VideoFolderDataModule
from v2a_lightning.data_modules.media_files import list_media
from v2a_lightning.data_modules.shares import Share
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.media import VIDEO_SUFFIXES, MediaError, RemoteFile, inspect_clip, read_audio
from v2a_lightning.media.clip import ClipRequest
from v2a_lightning.media.remote import ArchiveReader, local_file

from .conftest import AUDIO, FRAMES, SmallVGGSound

Make = Callable[..., VGGSoundDataModule]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("V2A_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def tars(media: Path, folder: Path, suffix: str) -> Path:
    """The clips in two tars, in folders of no meaning and in an order of their own, as VGGSound's are."""
    folder.mkdir()
    files = sorted(media.iterdir(), reverse=True)
    for number in range(2):
        mode = "w:gz" if suffix.endswith("gz") else "w"
        with tarfile.open(folder / f"vggsound_{number:02d}{suffix}", mode) as tar:
            for path in files[number::2]:
                tar.add(path, f"scratch/VGGSound_final/video/{path.name}")
    return folder


@pytest.mark.parametrize("place", ["url", ".tar", ".tar.gz"])
def test_the_same_store_from_everywhere(make_data: Make, vggsound: SmallVGGSound, tmp_path: Path, place: str) -> None:
    media = f"file://{vggsound.media.parent}" if place == "url" else str(tars(vggsound.media, tmp_path / "tars", place))
    here, there = make_data(), make_data(media=media, store=str(tmp_path / "other"))
    for data in (here, there):
        data.prepare_data()
        data.setup("fit")
        data.setup("test")
    assert {one.clip_id: one.reason for one in there.rejects} == {one.clip_id: one.reason for one in here.rejects}
    for split in ("train", "test"):
        ours, theirs = (next(iter(getattr(data, f"{split}_dataloader")())) for data in (here, there))
        assert ours["clip_id"] == theirs["clip_id"]
        assert torch.equal(ours["frames"], theirs["frames"])
        assert torch.equal(ours["target"], theirs["target"])
    assert not there.extraction().pending(), "what cannot be used is not fetched again"
    finished = EmbeddingDataModule(str(tmp_path / "other"), splits=Splits(0.2))
    finished.setup("test")
    clip_id = finished.clip_ids("test")[0]
    for data in (there, finished):
        assert data.source(clip_id).name == f"{clip_id}.mp4"
        assert (data.reference_waveform(clip_id) == read_audio(here.source(clip_id), AUDIO)).all()


def test_compressed_tars_are_dealt_out_as_a_whole(make_data: Make, vggsound: SmallVGGSound, tmp_path: Path) -> None:
    data = make_data(media=str(tars(vggsound.media, tmp_path / "tars", ".tar.gz")))
    clips = data.extraction().clips
    parts = [Share(index, 3).of(clips) for index in range(3)]
    assert [{Path(clip.path.root).name for clip in part} for part in parts] == [  # type: ignore[union-attr]
        {"vggsound_00.tar.gz"}, {"vggsound_01.tar.gz"}, set()
    ]  # fmt: skip
    places = [clip.path.offset for clip in parts[0]]  # type: ignore[union-attr]
    assert places == sorted(places)
    on_the_fly = make_data(media=data.media, mode="on_the_fly", decoding=Decoding(num_workers=1))
    with pytest.raises(UsageError, match=r"on_the_fly: data.media .* has compressed tars; unpack them"):
        on_the_fly.setup("fit")


def test_a_tar_is_read_through_once(vggsound: SmallVGGSound, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    media = tars(vggsound.media, tmp_path / "tars", ".tar.gz")
    found = list_media(media, VIDEO_SUFFIXES, 1)
    assert len(found) == 20
    monkeypatch.setattr(tarfile, "TarFile", None)
    assert list_media(media, VIDEO_SUFFIXES, 1) == found
    assert list_media(media / "vggsound_00.tar.gz", VIDEO_SUFFIXES, 1) == found[:10]
    assert all(str(one).startswith("tar://scratch/VGGSound_final/video/") for one in found)


def test_folders_of_a_tar_are_labels(vggsound: SmallVGGSound, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "own.tar", "w") as tar:
        for inside in ("test/dog/1", "cat/2", ".hidden/3"):
            tar.add(vggsound.media / "goodclip000_000000.mp4", f"{inside}.mp4")
    clips = VideoFolderDataModule(str(tmp_path / "own.tar")).find_clips()
    assert [(clip.clip_id, clip.label, clip.split) for clip in clips] == [
        ("test_dog_1", "dog", "test"), ("cat_2", "cat", "train")
    ]  # fmt: skip


def test_a_damaged_tar_is_one_line(vggsound: SmallVGGSound, tmp_path: Path) -> None:
    for suffix in (".tar", ".tar.gz"):
        tar = tars(vggsound.media, tmp_path / suffix, suffix) / f"vggsound_00{suffix}"
        (file, *_) = list_media(tar, VIDEO_SUFFIXES, 1)
        tar.write_bytes(tar.read_bytes()[:9000])
        with pytest.raises(UsageError, match=rf"media {tar} is damaged, or no tar .*; fetch it again"):
            list_media(tar, VIDEO_SUFFIXES, 1)
        assert isinstance(file, RemoteFile)
        with ArchiveReader() as reader, pytest.raises(RunFailure, match=f"{tar} .*; fetch it again"):
            reader.read(file)
    for media, message in (("memory://nowhere", "there is no such folder"), ("nosuch://x", "Protocol not known")):
        with pytest.raises(UsageError, match=f"media {media}: {message}"):
            list_media(media, VIDEO_SUFFIXES, 1)


def test_what_cannot_be_reached_is_tried_again(tmp_path: Path) -> None:
    for file, reason in (
        (RemoteFile("memory://nowhere", "a.mp4"), "missing"),
        (RemoteFile("http://127.0.0.1:9", "a.mp4"), "unreachable"),
        (RemoteFile(str(tmp_path / "none.tar.gz"), "a.mp4", 512, 3), "unreachable"),
    ):
        assert inspect_clip(ClipRequest(file, FRAMES, AUDIO)).reason == reason
    fsspec.filesystem("memory").pipe_file("/bucket/noise.mp4", b"noise")
    noise = RemoteFile("memory://bucket", "noise.mp4")
    with pytest.raises(MediaError, match=r"memory://bucket/noise\.mp4: undecodable"), local_file(noise) as path:
        read_audio(path, AUDIO)
