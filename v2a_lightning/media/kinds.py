"""Which files of a folder may be media, by name, and which picture format a file has, by its content."""

import os
from collections.abc import Iterable
from pathlib import Path

from v2a_lightning.errors import UsageError
from v2a_lightning.media.errors import MediaError

# Names only find candidates in folders; what a file is, its content says.
PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff"}
    | {".avif", ".heic", ".heif", ".jp2", ".j2k", ".tga", ".ppm", ".pgm", ".pnm"}
)
VIDEO_SUFFIXES = frozenset(
    {".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v", ".mpg", ".mpeg", ".ts", ".flv"}
    | {".mts", ".m2ts", ".wmv", ".ogv", ".3gp"}
)

_SIGNATURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF8": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"\0\0\0\x0cjP  ": "JPEG2000",
    b"\xff\x4f\xff\x51": "JPEG2000",
    b"\0\0\1\0": "ICO",
    b"qoif": "QOI",
    b"8BPS": "PSD",
}
_HEIF_BRANDS = frozenset({b"mif1", b"msf1", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"})
_BMP_HEADERS = frozenset({12, 40, 52, 56, 64, 108, 124})
_TGA_TYPES = (b"\1", b"\2", b"\3", b"\x09", b"\x0a", b"\x0b")
_TGA_END = b"TRUEVISION-XFILE.\0"
_HEAD_BYTES = 64


def find_media_files(
    folder: Path | str, suffixes: Iterable[str] = PICTURE_SUFFIXES | VIDEO_SUFFIXES, *, depth: int | None = 0
) -> list[Path]:
    """Files of a folder that may be media, by their names; hidden files and folders are left out.

    Args:
        folder: the folder.
        suffixes: endings to look for, lower case; those of files may be upper case.
        depth: how many folders down; 0 is the folder itself, None is all the way.

    Returns:
        the folder's own files by name, then those of each folder in it, folders by name.

    Raises:
        UsageError: when there is no such folder, or it cannot be listed.
    """
    root, wanted = Path(folder), frozenset(suffixes)
    if not root.is_dir():
        raise UsageError(f"media {folder}: there is no such folder")
    found: list[Path] = []
    # A link may lead back to where it stands: it is followed only where the depth has an end.
    for place, folders, names in os.walk(root, onerror=_refuse_unlisted, followlinks=depth is not None):
        below = depth is None or len(Path(place).relative_to(root).parts) < depth
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if below else []
        # Names first: on a disk of the network, looking at each file takes its time.
        files = [Path(place, name) for name in sorted(names) if not name.startswith(".")]
        found += [file for file in files if file.suffix.lower() in wanted and file.is_file()]
    return found


def _refuse_unlisted(error: OSError) -> None:
    raise UsageError(f"media {error.filename} cannot be listed: {error.strerror}") from error


def picture_format(path: Path | str) -> str | None:
    """Pillow's name for the format of a picture, by its first bytes (TGA: its last, or its name); None when it is none.

    Raises:
        MediaError: missing, or undecodable when the file may not be read.
    """
    if not Path(path).is_file():
        raise MediaError(path, "missing")
    try:
        with Path(path).open("rb") as file:
            head = file.read(_HEAD_BYTES)
            found = _format_of(head)
            if found is None and head[1:2] in (b"\0", b"\1") and head[2:3] in _TGA_TYPES:
                file.seek(max(0, file.seek(0, 2) - len(_TGA_END)))
                found = "TGA" if file.read() == _TGA_END or Path(path).suffix.lower() == ".tga" else None
    except OSError as error:
        raise MediaError(path, "undecodable", error.strerror or str(error)) from error
    # A stream of JPEG pictures begins as one picture does: here only the name tells.
    return None if found == "JPEG" and Path(path).suffix.lower() in (".mjpeg", ".mjpg") else found


def _format_of(head: bytes) -> str | None:
    for signature, name in _SIGNATURES.items():
        if head.startswith(signature):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:1] == b"P" and head[1:2] in b"123456fF" and head[2:3].isspace():
        return "PPM"
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    return _format_of_brands(head) if head[4:8] == b"ftyp" else None


def _format_of_brands(head: bytes) -> str | None:
    # None for the other files of the MP4 family.
    size = min(len(head), int.from_bytes(head[:4], "big"))
    brands = {head[at : at + 4] for at in (8, *range(16, size, 4))}
    if head[8:12] not in _HEIF_BRANDS | {b"avif", b"avis"}:
        return None
    return "AVIF" if brands & {b"avif", b"avis"} else "HEIF"
