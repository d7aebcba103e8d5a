"""Files are found by their names and known by their content."""

from pathlib import Path

import pytest
from PIL import Image

from v2a_lightning.media import MediaError, find_media_files, is_picture, probe, read_frames
from v2a_lightning.specs import FrameSpec

from .conftest import numbered_frames


def test_a_folder_is_looked_through_in_order_without_what_is_hidden(tmp_path: Path) -> None:
    for name in ("b.MP4", "a.jfif", "._a.png", ".hidden.mp4", "notes.txt", "in/c.webm", "in/deep/d.png", ".git/e.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.mp4").mkdir()

    def found(depth: int | None) -> list[str]:
        return [path.relative_to(tmp_path).as_posix() for path in find_media_files(tmp_path, depth=depth)]

    assert found(0) == ["a.jfif", "b.MP4"]
    assert found(1) == ["a.jfif", "b.MP4", "in/c.webm"]
    assert found(None) == ["a.jfif", "b.MP4", "in/c.webm", "in/deep/d.png"]
    assert [path.name for path in find_media_files(tmp_path, {".webm"}, depth=None)] == ["c.webm"]


@pytest.mark.parametrize("name", ["photo", "photo.jfif", "photo.mp4", "photo.png"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "BMP", "TIFF", "JPEG2000", "PPM", "GIF", "TGA"])
def test_a_picture_is_one_whatever_its_name(tmp_path: Path, name: str, kind: str) -> None:
    pixels = numbered_frames(8)[7]
    Image.fromarray(pixels).save(tmp_path / name, kind)
    assert is_picture(tmp_path / name)
    frames = read_frames(tmp_path / name, FrameSpec(1, 10), start=20.0)
    assert frames.shape == (1, 48, 64, 3)
    assert frames[0, 30, 40].tolist() == pytest.approx(pixels[30, 40].tolist(), abs=3)
    info = probe(tmp_path / name)
    assert (info.width, info.height, info.duration) == (64, 48, 0.0)


def test_a_clip_is_one_whatever_its_name(clip: Path, tmp_path: Path) -> None:
    for name in ("clip.jpg", "clip", "no:address.mp4", "100%.mp4"):
        (tmp_path / name).write_bytes(clip.read_bytes())
        assert not is_picture(tmp_path / name)
        assert len(read_frames(tmp_path / name, FrameSpec(4, 2))) == 8


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\0\0\0\x1cftypheic\0\0\0\0mif1heic" + bytes(64), "HEIF"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n/etc/hostname\n#EXT-X-ENDLIST\n", "undecodable"),
        (b"ffconcat version 1.0\nfile clip.mp4\n", "list of other files"),
        (b"\xff\x0a" + bytes(100), "undecodable"),
        (b"", "undecodable"),
    ],
)
def test_what_is_neither_says_so(tmp_path: Path, clip: Path, content: bytes, says: str) -> None:
    (tmp_path / "clip.mp4").write_bytes(clip.read_bytes())
    (tmp_path / "other.mp4").write_bytes(content)
    with pytest.raises(MediaError, match=says):
        read_frames(tmp_path / "other.mp4", FrameSpec())


def test_a_missing_file_is_neither(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="missing"):
        is_picture(tmp_path / "no.png")
