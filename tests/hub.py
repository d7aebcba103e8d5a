"""As much of the Hugging Face Hub as downloads and uploads of a model ask for, on this machine."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """As much of the Hugging Face Hub as a download asks for."""

    files: ClassVar[dict[str, bytes]] = {}
    asked: ClassVar[list[str]] = []
    stated: ClassVar[dict[str, str]] = {}

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        self.asked.append(path)
        if path.startswith("/api/models/owner/name/tree/"):
            self.answer(json.dumps([self.entry(name) for name in self.files]).encode())
        elif path.startswith("/api/models/owner/name"):
            self.answer(json.dumps(self.description()).encode())
        elif path.startswith("/owner/name/resolve/"):
            name = path.split("/", 5)[5]
            self.answer(self.files[name], name) if name in self.files else self.send_error(404)
        else:
            name = path.lstrip("/")
            self.answer(self.files[name], name) if name in self.files else self.send_error(404)

    def entry(self, name: str) -> dict[str, object]:
        return {"type": "file", "path": name, "size": len(self.files[name]), "oid": COMMIT}

    def description(self) -> dict[str, object]:
        siblings = [{"rfilename": name, "size": len(self.files[name]), **self.large(name)} for name in self.files]
        return {"id": "owner/name", "modelId": "owner/name", "sha": COMMIT, "siblings": siblings, "tags": []}

    def large(self, name: str) -> dict[str, object]:
        """What the Hub says of a large file, unless a test has it say something else."""
        if not name.endswith((".safetensors", ".bin", ".pt")):
            return {}
        digest = self.stated.get(name, hashlib.sha256(self.files[name]).hexdigest())
        return {"lfs": {"sha256": digest, "size": len(self.files[name]), "pointerSize": 134}}

    def do_POST(self) -> None:
        """Take what an upload sends: the repository is made, no file is too large for a commit, the commit is kept."""
        content = self.rfile.read(int(self.headers["Content-Length"]))
        path = self.path.split("?")[0]
        if path == "/api/repos/create":
            said: object = {"url": f"http://{self.headers['Host']}/owner/name"}
        elif path == "/api/validate-yaml":
            said = {"errors": [], "warnings": []}
        elif path.startswith("/api/models/owner/name/preupload/"):
            names = [file["path"] for file in json.loads(content)["files"]]
            said = {"files": [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]}
        else:
            assert path.startswith("/api/models/owner/name/commit/"), path
            lines = [json.loads(line) for line in content.splitlines()]
            kept = {line["value"]["path"]: line["value"]["content"] for line in lines if line["key"] == "file"}
            self.files.update({name: base64.b64decode(text) for name, text in kept.items()})
            said = {"commitUrl": f"http://{self.headers['Host']}/owner/name/commit/{COMMIT}", "commitOid": COMMIT}
        self.answer(json.dumps(said).encode())

    def answer(self, content: bytes, name: str = "") -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha256(name.encode() + content).hexdigest()[:40]}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_arguments: object) -> None: ...


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[str]:
    """An empty Hub with one repository, `owner/name`, where the Hub's library and this project will look for it."""
    import huggingface_hub.constants as constants

    Hub.files, Hub.asked, Hub.stated = {}, [], {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("HF_ENDPOINT", address)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    # What the library reads from HF_ENDPOINT when it is imported.
    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
    yield address
    server.shutdown()
    server.server_close()
