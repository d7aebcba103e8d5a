"""Fetching one large file: resumed where it was cut off, verified, and in its place only when it is whole."""

import base64
import ipaddress
import os
import re
import shutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.files import refusals, sha256_file
from v2a_lightning.progress import progress

CHUNK_BYTES = 1 << 20
ATTEMPTS = 5
TIMEOUT_SECONDS = 60.0
LARGEST_BYTES = 32 * 10**9
"""More than this is not fetched: several times the largest published file that this project knows."""


def download(
    url: str, target: Path, *, size: int | None = None, sha256: str = "", pause: float = 2.0
) -> Path:
    """Fetch `url` to `target`, unless it is there already; a later attempt, or run, goes on from `<target>.part`.

    Args:
        url: http or https.
        target: where the whole file is put.
        size: expected number of bytes; no more are taken, and without it no more than LARGEST_BYTES.
        sha256: expected digest, or its first digits.
        pause: seconds before the second attempt, doubled for each further one.

    Raises:
        RunFailure: when it cannot be fetched or written, is too large, or is another file than the expected one.
    """
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    for attempt in range(ATTEMPTS):
        try:
            with refusals(part):
                _fetch(url, part, size or LARGEST_BYTES)
            break
        except (OSError, HTTPException) as error:
            answer = error if isinstance(error, urllib.error.HTTPError) else None
            # Asking again helps with a server's own troubles alone.
            is_final = answer is not None and answer.code < 500 and answer.code not in (408, 429)
            if is_final or attempt == ATTEMPTS - 1:
                reason = str(getattr(error, "reason", error)) or type(error).__name__
                reason = f"the server answers {answer.code} {answer.reason}" if answer else reason
                raise RunFailure(f"{masked(url)} cannot be fetched: {reason}") from error
            time.sleep(pause * 2**attempt)
    _verify(masked(url), part, size, sha256)
    part.replace(target)
    _tag(part).unlink(missing_ok=True)
    return target


def refuse_without_room(what: str, missing: int, folder: Path) -> None:
    """RunFailure, with both sizes, for what is too large for this project, or for the disk of a folder."""
    if missing > LARGEST_BYTES:
        raise RunFailure(f"{what} has {missing} bytes; no more than {LARGEST_BYTES} are fetched")
    if missing > (free := shutil.disk_usage(folder).free):
        raise RunFailure(f"{what} needs {missing // 10**6} MB, and {folder} has {free // 10**6} MB free")


def masked(address: str) -> str:
    """An address without the name and password that may stand before its host, for messages and cards."""
    return re.sub(r"(?<=://)[^/\s@]*@", "***@", address)


def open_url(url: str, headers: dict[str, str], timeout: float) -> HTTPResponse:
    """Request a URL and follow redirects, except from outside into this machine or its network.

    A name and password before the host are sent to that host alone. `timeout` is in seconds without an answer.

    Raises:
        UsageError: when the URL is neither http nor https.
        RunFailure: when the server redirects where it has no business to.
        OSError: when there is no answer, or an error.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise UsageError(f"{masked(url)} is no http or https address")
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    request = urllib.request.Request(bare, headers=headers)
    if parts.username is not None:
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        # Not sent again to where the host redirects.
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(secret).decode()}")
    response: HTTPResponse = urllib.request.build_opener(_Redirects).open(request, timeout=timeout)
    return response


def file_name(url: str) -> str:
    """The last part of a URL's path, percent-decoded."""
    name = PurePosixPath(unquote(urlsplit(url).path)).name
    return name if name not in ("", "..") else "download"


def _fetch(url: str, part: Path, limit: int) -> None:
    """Append what is missing to `part`; begin anew when the server has another file by now, or cannot resume."""
    have = part.stat().st_size if part.is_file() else 0
    headers = {"User-Agent": "v2a-lightning"}
    if have and _tag(part).is_file():
        headers |= {"Range": f"bytes={have}-", "If-Range": _tag(part).read_text()}
    try:
        response = open_url(url, headers, TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing is left to send
            return
        raise
    with response:
        have = have if response.status == 206 else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length and length.isdecimal() else None
        _refuse_too_large(url, part, total or 0, limit)
        refuse_without_room(masked(url), (total or 0) - have, part.parent)
        _tag(part).write_text(response.headers.get("ETag") or response.headers.get("Last-Modified") or "none")
        for arrived in _receive(response, part, have, total):
            _refuse_too_large(url, part, arrived, limit)
    if total is not None and (size := part.stat().st_size) != total:
        raise ConnectionError(f"the connection ended after {size} of {total} bytes")


def _receive(response: HTTPResponse, part: Path, have: int, total: int | None) -> Iterator[int]:
    name = part.name.removesuffix(".part")
    with progress(name, total, in_bytes=True) as advance, open(part, "ab" if have else "wb") as file:
        advance(have)
        while chunk := response.read(CHUNK_BYTES):
            file.write(chunk)
            have += len(chunk)
            advance(len(chunk))
            yield have
        file.flush()
        os.fsync(file.fileno())


def _refuse_too_large(url: str, part: Path, size: int, limit: int) -> None:
    if size > limit:
        _remove(part, f"{masked(url)} has {size} bytes or more, and no more than {limit} are taken")


def _verify(url: str, part: Path, size: int | None, sha256: str) -> None:
    found = part.stat().st_size
    if size is not None and found != size:
        _remove(part, f"{url} has {found} bytes, the published file {size}")
    if sha256 and not (digest := sha256_file(part)).startswith(sha256):
        _remove(part, f"{url} has the sha256 {digest}, the published file {sha256}")


def _remove(part: Path, reason: str) -> None:
    part.unlink(missing_ok=True)
    _tag(part).unlink(missing_ok=True)
    raise RunFailure(f"{reason}; it was removed")


def _tag(part: Path) -> Path:
    """Where the server's name for this version of the file is kept."""
    return part.with_name(part.name + ".tag")


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str) -> Any:
        before, after = urlsplit(req.full_url), urlsplit(newurl)
        allowed = ("https",) if before.scheme == "https" else ("http", "https")
        if after.scheme not in allowed:
            raise RunFailure(f"{masked(req.full_url)} redirects to {masked(newurl)}, which is no {allowed[0]} address")
        if _is_private(after.hostname) and not _is_private(before.hostname):
            raise RunFailure(f"{masked(req.full_url)} redirects to {masked(newurl)}, an address of a private network")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _is_private(host: str | None) -> bool:
    """Whether a host is this machine or one that only this network reaches; not known for one without an address."""
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    addresses = [ipaddress.ip_address(str(one).partition("%")[0]) for one in found]
    return any(not (getattr(one, "ipv4_mapped", None) or one).is_global for one in addresses)
