"""Being told to end: by SIGTERM, in this process and in one that was forked from it."""

import os
import signal
import subprocess
import sys

import pytest

from v2a_lightning.app.cli import main
from v2a_lightning.signals import Terminated, in_one_piece, terminated_by_sigterm


def test_sigterm_raises_and_what_was_there_before_comes_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated), terminated_by_sigterm():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_command_ends_with_143_and_in_order() -> None:
    program = """
import os, signal, sys
from v2a_lightning.app import cli
def command():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        print("tidied up")
cli.COMMANDS["wait"] = ("__main__:command", "")
sys.exit(cli.main(["wait"]))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (143, "tidied up\n", "terminated\n")


def test_a_forked_process_just_ends() -> None:
    with terminated_by_sigterm():
        child = os.fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(1)
        _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGTERM


def test_leaving_without_a_word_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(*_: object) -> int:
        raise SystemExit

    monkeypatch.setattr("v2a_lightning.app.cli._dispatch", leave)
    assert main(["fit"]) == 1


def test_a_block_in_one_piece_is_finished_first() -> None:
    done = []

    def block() -> None:
        with terminated_by_sigterm(), in_one_piece():
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("inside")
        done.append("behind")

    with pytest.raises(Terminated):
        block()
    assert done == ["inside"]
