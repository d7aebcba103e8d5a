"""A process that was started to help ends with the one that started it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .processes import all_end, runs

ROOT = Path(__file__).parents[1]
HELPER = "import time; from v2a_lightning.processes import end_with_named_parent as end; end(); time.sleep(3600)"
PARENT = f"""
import os, subprocess, sys, time
from v2a_lightning.processes import PARENT
helper = subprocess.Popen([sys.executable, "-c", {HELPER!r}], env={{**os.environ, PARENT: str(os.getpid())}})
print(helper.pid, flush=True)
time.sleep(3600)
"""
POOL = """
import os, time
from v2a_lightning.processes import spawned_processes
if __name__ == "__main__":
    with spawned_processes(2) as pool:
        futures = [pool.submit(time.sleep, 3600) for _ in range(2)]
        while len(pool._processes) < 2:
            time.sleep(0.05)
        print(*pool._processes, flush=True)
        futures[0].result()
"""
STUDY = """
from pathlib import Path
from threading import Thread
import sys, time
from v2a_lightning.studies.workers import FreshProcess, ReusedProcess, environment
render = ["miniature", "render", "--clips", "5000", "--workers", "1", "--output"]
launchers = [ReusedProcess(environment(1)), FreshProcess(environment(1))]
for number, one in enumerate(launchers):
    log = Path(sys.argv[1], f"{number}.log")
    Thread(target=one.run, args=([*render, sys.argv[1] + f"/{number}"], log), daemon=True).start()
while not all(Path(sys.argv[1], f"{number}", "clips").is_dir() for number in range(2)):
    time.sleep(0.1)
print(*[one._process.pid for one in launchers], flush=True)
time.sleep(3600)
"""


@pytest.mark.parametrize("script", [PARENT, POOL, STUDY], ids=["helper", "pool", "study"])
def test_helpers_end_with_a_parent_that_is_killed(script: str, tmp_path: Path) -> None:
    (tmp_path / "parent.py").write_text(script)
    command = [sys.executable, str(tmp_path / "parent.py"), str(tmp_path)]
    parent = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=with_project())
    assert parent.stdout is not None
    helpers = [int(pid) for pid in parent.stdout.readline().split()]
    assert helpers
    assert all(map(runs, helpers))
    parent.kill()
    parent.wait()
    assert all_end(helpers)


def with_project() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}
