"""Downloads against a server on this machine: cut off, resumed, changed, refused."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from v2a_lightning.errors import RunFailure
from v2a_lightning.foundation.download import download, file_name

CONTENT = bytes(range(256)) * 4096
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Server(BaseHTTPRequestHandler):
    """Serves CONTENT; `failures` says what goes wrong with the next requests."""

    protocol_version = "HTTP/1.1"
    failures: ClassVar[list[str]] = []
    ranges: ClassVar[list[str | None]] = []
    tag: ClassVar[str] = '"one"'
    resumes: ClassVar[bool] = True

    def do_GET(self) -> None:
        failure = self.failures.pop(0) if self.failures else ""
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
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.send_header("ETag", self.tag)
        self.end_headers()
        end = start + len(CONTENT) // 3 if failure == "cut" else len(CONTENT)
        self.wfile.write(CONTENT[start:end])
        self.close_connection = True

    def log_message(self, *_arguments: object) -> None: ...


@pytest.fixture
def url() -> Iterator[str]:
    Server.failures, Server.ranges, Server.tag, Server.resumes = [], [], '"one"', True
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/folder/model.bin?download=1"
    server.shutdown()
    server.server_close()


def fetch(url: str, target: Path, **options: object) -> Path:
    return download(url, target, progress=False, pause=0.01, **options)  # type: ignore[arg-type]


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
