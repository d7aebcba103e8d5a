"""The harness of faults at its smallest: a manifest that is killed."""

import json
import subprocess
import sys
from pathlib import Path

HARNESS = Path(__file__).parents[2] / "experiments" / "benchmarks" / "faults"


def test_a_killed_manifest(tmp_path: Path) -> None:
    output = tmp_path / "faults.json"
    options = ["--only", "manifest", "--kills", "1", "--output", str(output)]
    ended = subprocess.run([sys.executable, str(HARNESS), *options], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = json.loads(output.read_text())
    assert [row["fault"] for row in report["rows"]] == ["SIGKILL in manifest", "SIGTERM in manifest"]
    assert all(row["tried"] == row["survived"] == 1 for row in report["rows"])
    assert "| SIGKILL in manifest | 1 | 1 | - |" in ended.stdout
