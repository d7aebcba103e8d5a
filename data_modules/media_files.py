"""The media files of a data set: in a folder of this machine, behind an fsspec URL, or in tars."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from fsspec import open as open_url
from fsspec.core import url_to_fs

from v2a_lightning.checkpoints.registry import cache_folder
from v2a_lightning.errors import UsageError
from v2a_lightning.files import atomic_write, refuse_unsafe_id
from v2a_lightning.json_files import write_json
from v2a_lightning.media import MediaPath, RemoteFile, find_media_files
from v2a_lightning.media.remote import ARCHIVE_SUFFIXES, compression_of
from v2a_lightning.progress import progress

# A tar's headers stand between its members: what is read ahead behind one is read for nothing.
HEADER_BYTES = 2**16
LAST_SUFFIXES = frozenset(f".{suffix.rpartition('.')[2]}" for suffix in ARCHIVE_SUFFIXES)
# What file systems call the mark by which a file's versions are told apart.
MARKS = ("ETag", "etag", "mtime", "LastModified", "updated", "last_modified")
Member = tuple[str, int, int]
"""Name, offset and size of a file in a tar."""


def list_media(media: Path | str, suffixes: Iterable[str], depth: int | None) -> list[MediaPath]:
    """The files that may be media, by their names, as `find_media_files`.

    A folder that has none of its own and holds tars has what is in them; `media` may be one tar, too. In a tar every
    folder counts, whatever the `depth`. UsageError when there is no such place, or a tar is damaged.
    """
    url, wanted = str(media), frozenset(suffixes)
    if url.lower().endswith(ARCHIVE_SUFFIXES):
        return list(_in_archives([url], wanted))
    if "://" in url:
        return _behind(url.rstrip("/"), wanted, depth)
    found = find_media_files(media, wanted, depth=depth)
    files = [] if found else find_media_files(media, LAST_SUFFIXES, depth=depth)
    return [*found, *_in_archives([str(one) for one in files if _is_archive(one.name)], wanted)]


def parts_inside(path: MediaPath, media: Path | str) -> tuple[str, ...]:
    """A file's folders and its name, from `media` or from the top of its tar on."""
    return PurePosixPath(path.inside).parts if isinstance(path, RemoteFile) else path.relative_to(media).parts


def media_path(text: str) -> MediaPath:
    """A media file by what it is called in a store or a manifest."""
    if text.startswith("tar://"):
        inside, _, root = text.removeprefix("tar://").partition("::")
        return RemoteFile(root, inside, offset=-1)
    if "://" in text:
        root, _, name = text.rpartition("/")
        return RemoteFile(root, name)
    return Path(text)


def fetched(path: MediaPath) -> Path:
    """A file on this machine's disk that stays: a copy among the fetched weights, when it comes from elsewhere."""
    if isinstance(path, Path):
        return path
    refuse_unsafe_id(path.name)
    place = hashlib.sha256(str(path).rpartition(path.name)[0].encode() + path.root.encode()).hexdigest()[:16]
    copy = cache_folder() / "media" / place / path.name
    if not copy.is_file():
        if path.offset == -1:
            named = {member: (offset, size) for member, offset, size in _members(path.root)}
            path = RemoteFile(path.root, path.inside, *named[path.inside])
        content = path.read()
        with atomic_write(copy) as temporary:
            temporary.write_bytes(content)
    return copy


def _is_archive(name: str) -> bool:
    return name.lower().endswith(ARCHIVE_SUFFIXES)


def _is_wanted(name: str, suffixes: frozenset[str]) -> bool:
    parts = PurePosixPath(name).parts
    return PurePosixPath(name).suffix.lower() in suffixes and not any(one[0] == "." and one != "." for one in parts)


def _behind(url: str, suffixes: frozenset[str], depth: int | None) -> list[MediaPath]:
    system, root = _system(url)
    try:
        entries: dict[str, Any] = system.find(root, detail=True)
    except OSError as error:
        raise UsageError(f"media {url} cannot be listed: {error}") from error
    names = {name[len(root) :].lstrip("/"): entry for name, entry in entries.items()}
    near = {name: one for name, one in names.items() if depth is None or name.count("/") <= depth}
    found = [
        RemoteFile(url, name, None, int(entry.get("size") or 0), _stamp(entry))
        for name, entry in sorted(near.items(), key=lambda item: (item[0].count("/"), item[0]))
        if _is_wanted(name, suffixes)
    ]
    archives = [] if found else [f"{url}/{name}" for name in sorted(near) if _is_archive(name)]
    if not (found or archives or names):
        raise UsageError(f"media {url}: there is no such folder, or nothing in it")
    return [*found, *_in_archives(archives, suffixes)]


def _in_archives(urls: list[str], suffixes: frozenset[str]) -> Iterator[RemoteFile]:
    with progress("listing tars", len(urls)) as advance:
        for url in urls:
            stamp = _archive_stamp(url)
            for name, offset, size in _members(url):
                if _is_wanted(name, suffixes):
                    yield RemoteFile(url, name, offset, size, f"{stamp}-{offset}")
            advance(1)


def _members(url: str) -> list[Member]:
    """What is in a tar. That is kept among the fetched weights, since all of a tar is read for it."""
    stamp = _archive_stamp(url)
    index = cache_folder() / "tars" / f"{hashlib.sha256(f'{url} {stamp}'.encode()).hexdigest()[:24]}.json"
    if not index.is_file():
        write_json(index, {"tar": url, "members": list(_read_members(url))})
    return [(name, offset, size) for name, offset, size in json.loads(index.read_text())["members"]]


def _read_members(url: str) -> Iterator[Member]:
    try:
        with (
            open_url(url, "rb", compression=compression_of(url), block_size=HEADER_BYTES) as stream,
            tarfile.TarFile(fileobj=stream) as tar,
        ):
            for member in tar:
                if member.isfile():
                    yield member.name, member.offset_data, member.size
            # The last member's own end is nobody's header.
            if stream.seek(0, io.SEEK_END) < tar.offset:
                raise EOFError("it ends inside a file")
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise UsageError(f"media {url} is damaged, or no tar ({error}); fetch it again") from error


def _archive_stamp(url: str) -> str:
    system, path = _system(url)
    try:
        return _stamp(system.info(path))
    except OSError as error:
        raise UsageError(f"media {url}: there is no such file ({error})") from error


def _stamp(entry: dict[str, Any]) -> str:
    return f"{entry.get('size')}-{next((entry[mark] for mark in MARKS if mark in entry), '')}"


def _system(url: str) -> tuple[Any, str]:
    try:
        return url_to_fs(url)  # type: ignore[no-any-return]
    except (ImportError, ValueError) as error:
        raise UsageError(f"media {url}: {error}") from error
