"""A stand-in for the server of Weights & Biases on the loopback: hands out a sweep's trials, keeps what runs send.

It speaks the part of the API that `wandb agent` and a run of wandb 0.17 to 0.31 use: GraphQL at /graphql, the stream of
a run's files, and uploads. What it is asked and does not know is kept in `unknown`.
"""

import gzip
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ENTITY, PROJECT = "tester", "v2a-lightning"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that hangs up is no event."""


class SweepServer:
    """Serves one sweep.

    Args:
        config: of the sweep, as YAML or JSON text.
        trials: the parameters of each trial; the sweep ends after the last.
    """

    def __init__(self, config: str, trials: list[dict[str, Any]]) -> None:
        self.config = config
        self.trials = list(trials)
        self.runs: dict[str, dict[str, Any]] = {}
        self.unknown: list[str] = []
        self._given = 0
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "SweepServer":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def run(self, name: str) -> dict[str, Any]:
        """What a run has sent so far."""
        with self._lock:
            return self.runs.setdefault(name, {"config": {}, "history": [], "summary": {}, "exit": None, "files": []})

    def answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """The data of a GraphQL answer."""
        found = re.search(r"(?:query|mutation)\s+(\w+)", query)
        name = found[1] if found else ""
        known = {
            "CreateAgent": self._create_agent,
            "Heartbeat": self._heartbeat,
            "UpsertBucket": self._upsert,
            "CreateRunFiles": self._create_files,
        }
        if name in known:
            return known[name](variables)
        if "sweep(" in query:
            return {"project": {"sweep": self._sweep()}}
        if "viewer" in query:
            return {"viewer": _viewer(), "serverInfo": _server_info()}
        if "serverInfo" in query:
            return {"serverInfo": _server_info()}
        if "organization" in query:
            return {"entity": {"organization": None}}
        if "RunStopped" in name or "stopped" in query:
            return {"project": {"run": {"stopped": False}}}
        if "ResumeStatus" in name or "bucket(" in query:
            return {"model": {"id": "model", "name": PROJECT, "entity": {"name": ENTITY}, "bucket": None}}
        if name == "ArtifactType":
            # Tables are sent as artifacts. This server has none, and has whatever it is offered.
            return {"project": {"artifact": None}}
        if name == "CreateArtifact":
            sequence = {"id": "sequence", "latestArtifact": None}
            return {"createArtifact": {"artifact": {"id": "table", "state": "COMMITTED", "artifactSequence": sequence}}}
        self.unknown.append(query)
        return {}

    def _sweep(self) -> dict[str, Any]:
        return {
            "id": "sweep", "name": "sweep", "displayName": "sweep", "method": "grid", "state": "RUNNING",
            "description": "", "config": self.config, "createdAt": "2026-01-01T00:00:00", "heartbeatAt": None,
            "updatedAt": None, "earlyStopJobRunning": False, "bestLoss": None, "controller": None, "scheduler": None,
            "runs": {"edges": []},
        }  # fmt: skip

    def _create_agent(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"createAgent": {"agent": {"id": "agent"}}}

    def _heartbeat(self, variables: dict[str, Any]) -> dict[str, Any]:
        """The next trial when none is running; the order to exit after the last."""
        commands: list[dict[str, Any]] = []
        running = [state for state in json.loads(variables["runState"] or "{}").values() if state]
        if not running and self._given < len(self.trials):
            arguments = {key: {"value": value} for key, value in self.trials[self._given].items()}
            run_id = f"trial{self._given}"
            commands = [{"type": "run", "run_id": run_id, "program": "v2a_lightning", "args": arguments}]
            self._given += 1
        elif not running:
            commands = [{"type": "exit"}]
        return {"agentHeartbeat": {"agent": {"id": "agent"}, "commands": json.dumps(commands)}}

    def _upsert(self, variables: dict[str, Any]) -> dict[str, Any]:
        name = variables.get("name") or "unnamed"
        run = self.run(name)
        run["config"] |= {key: one["value"] for key, one in json.loads(variables.get("config") or "{}").items()
                          if isinstance(one, dict) and "value" in one}  # fmt: skip
        run["sweep"] = variables.get("sweep") or run.get("sweep")
        bucket = {
            "id": name, "name": name, "displayName": variables.get("displayName") or name, "description": None,
            "config": "{}", "sweepName": run["sweep"], "historyLineCount": 0,
            "project": {"id": "project", "name": PROJECT, "entity": {"id": "entity", "name": ENTITY}},
        }  # fmt: skip
        return {"upsertBucket": {"bucket": bucket, "inserted": True}}

    def _create_files(self, variables: dict[str, Any]) -> dict[str, Any]:
        names = variables.get("files") or []
        run = variables.get("run") or variables.get("runName") or "unnamed"
        files = [{"name": name, "uploadUrl": f"{self.url}/upload/{run}/{name}"} for name in names]
        return {"createRunFiles": {"runID": run, "uploadHeaders": [], "files": files}}

    def stream(self, name: str, body: dict[str, Any]) -> None:
        """Keep a part of a run's stream: rows of history, the summary, the exit code."""
        run = self.run(name)
        for file, part in (body.get("files") or {}).items():
            rows = [json.loads(line) for line in part.get("content", []) if line.strip().startswith("{")]
            if file == "wandb-history.jsonl":
                run["history"] += rows
            elif file == "wandb-summary.json":
                for row in rows:
                    run["summary"] |= row
        if body.get("complete"):
            run["exit"] = body.get("exitcode")


def _viewer() -> dict[str, Any]:
    return {
        "id": "viewer", "entity": ENTITY, "username": ENTITY, "flags": "{}", "email": "", "admin": False,
        "teams": {"edges": [{"node": {"name": ENTITY}}]}, "apiKeys": {"edges": []}, "deletedAt": None, "name": ENTITY,
    }  # fmt: skip


def _server_info() -> dict[str, Any]:
    return {
        "cliVersionInfo": {"max_cli_version": "9.9.9", "min_cli_version": "0.0.1"},
        "latestLocalVersionInfo": None, "features": [],
    }  # fmt: skip


def _handler(owner: SweepServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self._body()
            stream = re.fullmatch(r"/files/[^/]+/[^/]+/([^/]+)/file_stream", self.path)
            if self.path == "/graphql":
                asked = json.loads(body)
                self._reply({"data": owner.answer(asked["query"], asked.get("variables") or {})})
            elif stream:
                owner.stream(stream[1], json.loads(body or b"{}"))
                self._reply({"exitcode": None, "limits": {}})
            else:
                self._reply({})

        def do_PUT(self) -> None:
            self._body()
            _, _, run, name = self.path.split("/", 3)
            owner.run(run)["files"].append(name)
            self._reply({})

        def do_GET(self) -> None:
            self._reply({})

        def _body(self) -> bytes:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            return gzip.decompress(content) if self.headers.get("Content-Encoding") == "gzip" else content

        def _reply(self, content: dict[str, Any]) -> None:
            text = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    return Handler
