"""Requests to a web server: which addresses it may redirect to, and what of an address is kept secret."""

import base64
import ipaddress
import re
import socket
import urllib.request
from http.client import HTTPResponse
from typing import Any
from urllib.parse import unquote, urlsplit

from v2a_lightning.errors import RunFailure, UsageError


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
