"""Downloads against a server on this machine: cut off, resumed, changed, refused."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from v2a_lightning.checkpoints import fetch as module
from v2a_lightning.checkpoints.fetch import _Redirects, download, file_name, masked
from v2a_lightning.errors import RunFailure, UsageError

from ..disks import no_file_above

CONTENT = bytes(range(256)) * 4096
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Server(BaseHTTPRequestHandler):
    """Serves CONTENT; `failures` says what goes wrong with the next requests."""

    protocol_version = "HTTP/1.1"
    failures: ClassVar[list[str]] = []
    ranges: ClassVar[list[str | None]] = []
    tag: ClassVar[str] = '"one"'
    resumes: ClassVar[bool] = True
    secrets: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        failure = self.failures.pop(0) if self.failures else ""
        self.secrets.append(self.headers.get("Authorization"))
        if failure.startswith("to "):
            self.send_response(302)
            self.send_header("Location", failure[3:])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        asked = self.headers.get("Range")
        self.ranges.append(asked)
        if failure.isdecimal():
            self.send_error(int(failure))
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.resumes else 0
        if asked and self.headers.get("If-Range") != self.tag:
            start = 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if failure != "no length":
            self.send_header("Content-Length", str(len(CONTENT) - start))
        self.send_header("ETag", self.tag)
        self.end_headers()
        end = start + len(CONTENT) // 3 if failure == "cut" else len(CONTENT)
        with suppress(OSError):  # who has seen enough hangs up
            self.wfile.write(CONTENT[start:end])
        self.close_connection = True

    def log_message(self, *_arguments: object) -> None: ...


@pytest.fixture
def url() -> Iterator[str]:
    Server.failures, Server.ranges, Server.tag, Server.resumes, Server.secrets = [], [], '"one"', True, []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/folder/model.bin?download=1"
    server.shutdown()
    server.server_close()


def fetch(url: str, target: Path, **options: object) -> Path:
    return download(url, target, pause=0.01, **options)  # type: ignore[arg-type]


def test_a_file_arrives_whole_and_is_not_fetched_twice(url: str, tmp_path: Path) -> None:
    target = tmp_path / "deep" / file_name(url)
    assert fetch(url, target, size=len(CONTENT), sha256=DIGEST) == target
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["model.bin"]
    fetch(url, target)
    assert len(Server.ranges) == 1


def test_a_cut_connection_is_resumed_where_it_ended(url: str, tmp_path: Path) -> None:
    Server.failures = ["cut", "503", "cut"]
    fetch(url, tmp_path / "model.bin", sha256=DIGEST)
    third = len(CONTENT) // 3
    assert Server.ranges == [None, f"bytes={third}-", f"bytes={third}-", f"bytes={2 * third}-"]


def test_a_later_run_goes_on_with_what_is_there(url: str, tmp_path: Path) -> None:
    target = tmp_path / "model.bin"
    Server.failures = ["cut", "404"]
    with pytest.raises(RunFailure, match="answers 404"):
        fetch(url, target)
    assert not target.exists()
    assert (tmp_path / "model.bin.part").is_file()
    fetch(url, target, sha256=DIGEST)
    assert Server.ranges[-1] is not None


def test_another_version_of_the_file_is_not_mixed_with_the_first(url: str, tmp_path: Path) -> None:
    (tmp_path / "model.bin.part").write_bytes(b"begun with other bytes")
    (tmp_path / "model.bin.part.tag").write_text('"zero"')
    assert fetch(url, tmp_path / "model.bin").read_bytes() == CONTENT


def test_a_server_that_cannot_resume_sends_it_again(url: str, tmp_path: Path) -> None:
    Server.failures, Server.resumes = ["cut"], False
    assert fetch(url, tmp_path / "model.bin").read_bytes() == CONTENT


def test_a_complete_part_is_only_verified(url: str, tmp_path: Path) -> None:
    (tmp_path / "model.bin.part").write_bytes(CONTENT)
    (tmp_path / "model.bin.part.tag").write_text(Server.tag)
    assert fetch(url, tmp_path / "model.bin", sha256=DIGEST[:8]).read_bytes() == CONTENT


@pytest.mark.parametrize("expected", [{"sha256": "0" * 64}, {"size": 5}])
def test_another_file_than_expected_is_refused_and_removed(url: str, tmp_path: Path, expected: dict) -> None:
    with pytest.raises(RunFailure, match="it was removed"):
        fetch(url, tmp_path / "model.bin", **expected)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_there_is_said_at_once(url: str, tmp_path: Path) -> None:
    Server.failures = ["404"]
    with pytest.raises(RunFailure, match="the server answers 404"):
        fetch(url, tmp_path / "model.bin")
    assert len(Server.ranges) == 1
    with pytest.raises(RunFailure, match="cannot be fetched"):
        fetch("http://127.0.0.1:9/none", tmp_path / "none")


@pytest.mark.parametrize("failure", ["", "no length"])
def test_more_than_is_expected_or_allowed_is_not_taken(
    url: str, tmp_path: Path, failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Server.failures = [failure, failure]
    with pytest.raises(RunFailure, match="no more than 1000 are taken; it was removed"):
        fetch(url, tmp_path / "model.bin", size=1000)
    monkeypatch.setattr(module, "LARGEST_BYTES", 2000)
    with pytest.raises(RunFailure, match="no more than 2000 are taken; it was removed"):
        fetch(url, tmp_path / "model.bin")
    assert list(tmp_path.iterdir()) == []


def test_what_the_disk_has_no_room_for_is_not_begun(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil
    from types import SimpleNamespace

    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(RunFailure, match=r"needs 1 MB, and .* has 0 MB free"):
        fetch(url, tmp_path / "model.bin")
    assert len(Server.ranges) == 1


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:text/plain,x"])
def test_a_server_does_not_send_us_to_files_of_our_own(url: str, tmp_path: Path, target: str) -> None:
    Server.failures = [f"to {target}"]
    with pytest.raises(RunFailure, match=r"redirects to|cannot be fetched: the server answers 302"):
        fetch(url, tmp_path / "model.bin")
    assert list(tmp_path.iterdir()) == []
    assert len(Server.secrets) == 1


def test_a_server_of_the_private_network_may_send_us_on_within_it(url: str, tmp_path: Path) -> None:
    Server.failures = [f"to {url}"]
    assert fetch(url, tmp_path / "model.bin", sha256=DIGEST).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "10.0.0.1", "169.254.169.254", "[::ffff:192.168.0.1]", "[fd00::1]"]
)
def test_a_public_server_does_not_send_us_into_the_private_network(host: str) -> None:
    import urllib.request

    request = urllib.request.Request("https://93.184.216.34/model.bin")
    answer = (request, None, 302, "Found", {})
    with pytest.raises(RunFailure, match="an address of a private network"):
        _Redirects().redirect_request(*answer, f"https://{host}/secret")
    with pytest.raises(RunFailure, match="which is no https address"):
        _Redirects().redirect_request(*answer, "http://93.184.216.35/model.bin")
    assert _Redirects().redirect_request(*answer, "https://93.184.216.35/model.bin") is not None


def test_a_password_is_sent_and_never_told(url: str, tmp_path: Path) -> None:
    address = url.replace("http://", "http://me:pass%40word@")
    Server.failures = ["404"]
    with pytest.raises(RunFailure) as error:
        fetch(address, tmp_path / "model.bin")
    assert "word" not in str(error.value)
    assert "http://***@127.0.0.1" in str(error.value)
    fetch(address, tmp_path / "model.bin", sha256=DIGEST)
    assert Server.secrets == ["Basic bWU6cGFzc0B3b3Jk"] * 2
    assert masked("s3://key:secret@bucket/a@b") == "s3://***@bucket/a@b"


def test_only_web_addresses_are_fetched_and_names_are_plain(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no http or https address"):
        fetch("file:///etc/passwd", tmp_path / "x")
    assert [file_name(f"https://a.b/c/{end}") for end in ("d.bin?e=/f", "..", "")] == ["d.bin", "download", "c"]


def test_a_full_disk_is_one_line_with_the_file_and_what_came_is_kept(url: str, tmp_path: Path) -> None:
    with (
        no_file_above(300_000),
        pytest.raises(RunFailure, match=r"model\.bin\.part cannot be written: File too large"),
    ):
        fetch(url, tmp_path / "model.bin")
    assert Server.ranges == [None], "asking again makes no room"
    have = (tmp_path / "model.bin.part").stat().st_size
    assert fetch(url, tmp_path / "model.bin").read_bytes() == CONTENT
    assert Server.ranges == [None, f"bytes={have}-"]
