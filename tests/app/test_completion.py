"""Bash completes commands, options, subcommands and configs with the script that `completion` prints."""

import shutil
import subprocess
from pathlib import Path

import pytest

from v2a_lightning.app.cli import COMMANDS, LIGHTNING_COMMANDS, main

ASK = 'source "$1"; COMP_WORDS=("${@:2}"); COMP_CWORD=$(($# - 2)); _v2a; printf "%s\\n" "${COMPREPLY[@]}"'


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "v2a.bash"
    with pytest.MonkeyPatch.context() as patch, open(path, "w") as file:
        patch.setattr("sys.stdout", file)
        assert main(["completion", "bash"]) == 0
    return path


def completed(script: Path, *words: str) -> list[str]:
    command = ["bash", "-c", ASK, "bash", str(script), "v2a", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_commands(script: Path) -> None:
    assert completed(script, "") == [*LIGHTNING_COMMANDS, *COMMANDS]
    assert completed(script, "ev") == ["evaluate"]


def test_options_of_a_command(script: Path) -> None:
    assert completed(script, "evaluate", "--res") == ["--resamples"]
    assert completed(script, "fit", "--trainer.max_e") == ["--trainer.max_epochs"]
    assert completed(script, "predict", "--ck") == ["--ckpt_path"]
    assert completed(script, "doctor", "--") == ["--config", "--set", "--fetch", "--help"]


def test_subcommands_and_their_options(script: Path) -> None:
    assert completed(script, "listen", "") == ["build", "analyse"]
    assert completed(script, "listen", "build", "--anch") == ["--anchors"]


def test_configs_by_name_and_files_where_no_word_fits(script: Path) -> None:
    assert completed(script, "fit", "--config", "qui") == ["quickstart"]
    assert completed(script, "evaluate", "--generated", "so") == []
    assert "complete -o default -F _v2a v2a" in script.read_text()


def test_zsh_runs_the_same_function(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "zsh"]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[0].startswith("autoload -Uz compinit bashcompinit")
    assert printed.endswith(script.read_text())
    if shutil.which("zsh"):
        assert subprocess.run(["zsh", "-n"], input=printed, text=True, check=True).returncode == 0
