"""The harness of faults at its smallest: a manifest that is killed, and a result in which something is missing."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.studies import killed_manifest


def test_a_killed_manifest(tiny_world: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_world, tmp_path / "template" / "world", ignore=shutil.ignore_patterns("store"))
    command = [sys.executable, str(killed_manifest.__file__), str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    *survived, lost = json.loads(ended.stdout)
    assert [row["fault"] for row in survived] == ["SIGKILL in manifest", "SIGTERM in manifest"]
    assert all(row["tried"] == row["survived"] == 1 for row in survived), survived
    assert lost["survived"] == 0
    assert lost["lost"] == {"1 parts missing, such as row lost": 1}
