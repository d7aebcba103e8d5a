"""Pictures of every depth, colour space, direction and size come out as they look."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from v2a_lightning.media import MediaError, is_picture, probe, read_frames
from v2a_lightning.media import pictures as pictures_module
from v2a_lightning.media.frames import fit_picture
from v2a_lightning.specs import FrameSpec

GREY = np.linspace(0, 255, 48 * 64).round().astype(np.uint8).reshape(48, 64)
COLOURS = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], -1)


def read(path: Path) -> np.ndarray:
    frames = read_frames(path, FrameSpec())
    assert len(frames) == 1
    return frames[0]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("g.png", GREY.astype(np.uint16) * 257),
        ("g.tif", GREY.astype(np.uint16) * 257),
        ("g.jp2", GREY.astype(np.uint16) * 257),
        ("g.pgm", GREY.astype(np.int32) * 257),
        ("g.tif", GREY.astype(np.int32)),
        ("g.tif", GREY.astype(np.int32) * 257),
        ("g.tif", GREY.astype(np.float32) / 255),
        ("g.tif", GREY.astype(np.float32) / 255 * 1.005),
        ("g.tif", GREY.astype(np.float32)),
        ("g.tif", GREY.astype(np.float32) * 257),
    ],
)
def test_deep_grey_keeps_its_levels(tmp_path: Path, name: str, values: np.ndarray) -> None:
    Image.fromarray(values).save(tmp_path / name)
    np.testing.assert_allclose(read(tmp_path / name), np.repeat(GREY[..., None], 3, 2), atol=2)


@pytest.mark.parametrize("kind", ["unsigned 32", "signed 16", "white is zero"])
def test_tiff_says_how_its_numbers_are_meant(tmp_path: Path, kind: str) -> None:
    full, dtype, sample, white = {
        "unsigned 32": (2**32 - 1, "<u4", 1, 1),
        "signed 16": (2**15 - 1, "<i2", 2, 1),
        "white is zero": (2**16 - 1, "<u2", 1, 0),
    }[kind]
    values = (GREY / 255 * full).astype(dtype)
    tags = {256: 64, 257: 48, 258: values.itemsize * 8, 259: 1, 262: white, 273: 0, 277: 1, 278: 48, 279: values.nbytes}
    directory = ImageFileDirectory_v2()
    for tag, value in (tags | {339: sample}).items():
        directory[tag] = value
        directory.tagtype[tag] = 4 if tag in (273, 279) else 3
    (tmp_path / "g.tif").write_bytes(b"II*\0\10\0\0\0" + directory.tobytes(8) + values.tobytes())
    expected = 255 - GREY if white == 0 else GREY
    np.testing.assert_allclose(read(tmp_path / "g.tif"), np.repeat(expected[..., None], 3, 2), atol=1)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (GREY.astype(np.float32) - 100, "from -100 to 155"),
        (GREY.astype(np.float32) * 1e6, "2.55e\\+08"),
        (GREY.astype(np.float32) / 64, "to 3.98"),
        (np.where(GREY > 200, np.nan, GREY).astype(np.float32), "not finite"),
        (GREY.astype(np.int32) * 4, "to 1020"),
    ],
)
def test_numbers_that_say_no_picture_are_refused(tmp_path: Path, values: np.ndarray, says: str) -> None:
    Image.fromarray(values).save(tmp_path / "g.tif")
    with pytest.raises(MediaError, match=says) as caught:
        read(tmp_path / "g.tif")
    assert caught.value.reason == "undecodable"


def test_every_colour_space(tmp_path: Path) -> None:
    image = Image.fromarray(COLOURS)
    image.convert("CMYK").save(tmp_path / "cmyk.tif")
    image.convert("CMYK").save(tmp_path / "cmyk.jpg", quality=100, subsampling=0)
    image.quantize(256).save(tmp_path / "palette.png")
    for name in ("cmyk.tif", "cmyk.jpg", "palette.png"):
        assert np.abs(read(tmp_path / name).astype(int) - COLOURS).mean() < 3
    Image.fromarray(GREY > 127).save(tmp_path / "bits.png")
    np.testing.assert_array_equal(read(tmp_path / "bits.png")[..., 1], np.where(GREY > 127, 255, 0))


def test_what_is_transparent_lies_on_white(tmp_path: Path) -> None:
    alpha = np.repeat(np.linspace(0, 255, 64).round().astype(np.uint8)[None], 48, 0)
    share = alpha[..., None] / 255
    Image.fromarray(np.dstack([COLOURS, alpha])).save(tmp_path / "rgba.png")
    np.testing.assert_allclose(read(tmp_path / "rgba.png"), COLOURS * share + 255 * (1 - share), atol=1)
    Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(alpha)]).save(tmp_path / "la.png")
    np.testing.assert_allclose(
        read(tmp_path / "la.png"), GREY[..., None] * share + 255 * (1 - share) + 0 * COLOURS, atol=1
    )
    palette = Image.fromarray(COLOURS).quantize(16)
    palette.save(tmp_path / "palette.png", transparency=3)
    clear = np.asarray(palette) == 3
    assert (read(tmp_path / "palette.png")[clear] == 255).all()


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "avif"])
def test_all_eight_directions(tmp_path: Path, suffix: str) -> None:
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(COLOURS).save(tmp_path / f"a.{suffix}", exif=exif)
        with Image.open(tmp_path / f"a.{suffix}") as image:
            expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        assert expected.shape == ((48, 64, 3) if orientation < 5 else (64, 48, 3))
        np.testing.assert_array_equal(read(tmp_path / f"a.{suffix}"), expected)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "avif"])
def test_an_animation_is_a_video_that_is_shown_once(tmp_path: Path, suffix: str) -> None:
    frames = [Image.fromarray(np.full((48, 64, 3), 30 * number, np.uint8)) for number in range(6)]
    milliseconds = [100, 500, 100, 1000, 200, 100]
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], duration=milliseconds, loop=0)
    assert not is_picture(tmp_path / f"a.{suffix}")
    found = read_frames(tmp_path / f"a.{suffix}", FrameSpec(4, 4))[:, 24, 32, 0]
    # At 0.125, 0.375, ... s: begins are 0, 0.1, 0.6, 0.7, 1.7, 1.9 and the end is 2.0 s.
    assert [round(level / 30) for level in found] == [1, 1, 2, 3, 3, 3, 3, 4]
    info = probe(tmp_path / f"a.{suffix}")
    assert (info.width, info.height, round(info.duration, 3), info.frames_per_second) == (64, 48, 2.0, 3.0)
    with pytest.raises(MediaError, match="short"):
        read_frames(tmp_path / f"a.{suffix}", FrameSpec(), start=2.0)
    frames[0].save(tmp_path / f"one.{suffix}", save_all=True)
    assert is_picture(tmp_path / f"one.{suffix}")


def test_frames_that_ask_for_no_time_get_a_tenth_of_a_second(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((48, 64, 3), 30 * number, np.uint8)) for number in range(6)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=0)
    assert probe(tmp_path / "a.gif").duration == pytest.approx(0.6)


def test_large_pictures_are_reduced_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    big = Image.fromarray(COLOURS).resize((640, 480))
    for suffix in ("jpg", "png"):
        big.save(tmp_path / f"big.{suffix}")
    whole = read(tmp_path / "big.png")
    monkeypatch.setattr(pictures_module, "REDUCED_PIXELS", 100_000)
    monkeypatch.setattr(pictures_module, "STRIP_PIXELS", 50_000)
    reduced = whole.reshape(240, 2, 320, 2, 3).mean((1, 3))
    for suffix in ("jpg", "png"):
        assert np.abs(read(tmp_path / f"big.{suffix}") - reduced).mean() < 2
    monkeypatch.setattr(pictures_module, "MAXIMUM_PIXELS", 200_000)
    assert read(tmp_path / "big.jpg").shape == (240, 320, 3)
    with pytest.raises(MediaError, match=r"big\.png: undecodable \(640 x 480 pixels"):
        read(tmp_path / "big.png")


def test_a_picture_beyond_the_limit_of_pillow_is_a_media_error(tmp_path: Path) -> None:
    Image.new("1", (60_000, 3_000)).save(tmp_path / "huge.png")
    with pytest.raises(MediaError, match=r"60000 x 3000 pixels; 179 million"):
        read(tmp_path / "huge.png")


def test_a_very_long_picture_is_scaled_in_its_middle_only() -> None:
    long = np.zeros((4, 100_000, 3), np.uint8)
    long[:, 49_000:51_000] = 200
    assert fit_picture(long, 224).shape == (224, 224, 3)
    assert fit_picture(long, 224).min() == 200


def test_arrays_may_be_written(tmp_path: Path) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    frame = read(tmp_path / "a.png")
    assert frame.flags.writeable
    assert fit_picture(frame, 48).flags.writeable
