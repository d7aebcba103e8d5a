"""The command line: what it offers, how arguments become parameters, and how failures are told."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from v2a_lightning.app import cli
from v2a_lightning.app.cli import COMMANDS, LIGHTNING_COMMANDS, main, run_command
from v2a_lightning.app.messages import one_line
from v2a_lightning.errors import RunFailure, UsageError


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python as a person does."""
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=120)


def test_help_is_quick_and_imports_no_model_code() -> None:
    code = (
        "import sys; from v2a_lightning.app.cli import main; main(['--help']);"
        "heavy = {'torch', 'lightning', 'transformers', 'diffusers', 'open_clip', 'laion_clap', 'pandas'};"
        "print('imported:', sorted(heavy & set(sys.modules)))"
    )
    began = time.perf_counter()
    told = python("-c", code).stdout
    assert time.perf_counter() - began < 3
    assert "imported: []" in told
    assert all(name in told for name in [*LIGHTNING_COMMANDS, *COMMANDS])


def test_importing_the_library_brings_no_torch() -> None:
    assert python("-c", "import v2a_lightning, sys; print('torch' in sys.modules)").stdout == "False\n"


def test_no_command_and_a_wrong_one_exit_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main(["tarin"]) == 2
    assert "there is no command 'tarin'; the commands are fit," in capsys.readouterr().err


def test_one_process_of_many_says_which_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("RANK", "SLURM_PROCID"):
        monkeypatch.delenv(variable, raising=False)
    for rank, beginning in (("0", "error: there is"), ("3", "error: process 3: there is")):
        monkeypatch.setenv("LOCAL_RANK", rank)
        assert main(["tarin"]) == 2
        assert capsys.readouterr().err.startswith(beginning)


def describe(inputs: list[str], /, output: str, count: int = 1, scale: float | None = None) -> int:
    """Say what was given.

    More about it.

    Args:
        inputs: what to read.
        output: where to write.
        count: how many.
        scale: how large.
    """
    print(inputs, output, count, scale)
    return 0


def test_a_signature_is_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(describe, ["a", "b", "--output", "o", "--count=3", "--scale", "0.5"], "prog describe") == 0
    assert capsys.readouterr().out == "['a', 'b'] o 3 0.5\n"


def test_a_docstring_is_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        run_command(describe, ["--help"], "prog describe")
    assert end.value.code == 0
    told = capsys.readouterr().out
    assert "Say what was given." in told
    assert "More about it." in told
    assert "what to read" in told
    assert "where to write" in told


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["a"], "output"),
        (["--output", "o"], "inputs"),
        (["a", "--output", "o", "--count", "many"], "count"),
        (["a", "--output", "o", "--colour", "red"], "colour"),
    ],
)
def test_arguments_that_do_not_fit_are_named(arguments: list[str], named: str) -> None:
    with pytest.raises(UsageError, match=named) as caught:
        run_command(describe, arguments, "prog describe")
    assert "\n" not in str(caught.value)


def test_a_table_has_subcommands(capsys: pytest.CaptureFixture[str]) -> None:
    table = {"describe": describe}
    assert run_command(table, ["describe", "a", "--output", "o"], "prog") == 0
    assert run_command(table, ["--help"], "prog") == 0
    assert "  describe  Say what was given." in capsys.readouterr().out
    with pytest.raises(UsageError, match="prog has no 'undo'; it has describe"):
        run_command(table, ["undo"], "prog")


def choose(inputs: list[str], /, system: list[str] | None = None, count: list[int] | None = None) -> None:
    """Say which were chosen."""
    print(inputs, system, count)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--system", "A=x", "B=y", "--count", "1", "2"],
        ["--system", "A=x", "--system", "B=y", "--count=1", "--count=2"],
        ["--system=[A=x,B=y]", "--count", "[1,2]"],
    ],
)
def test_a_list_is_given_in_one_go_or_bit_by_bit(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(choose, ["a", "b", *arguments], "prog") == 0
    assert capsys.readouterr().out == "['a', 'b'] ['A=x', 'B=y'] [1, 2]\n"


def test_options_from_a_file_give_way_to_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = tmp_path / "options.yaml"
    options.write_text("system: [A=x, B=y]\ncount: [1, 2]\n")
    assert run_command(choose, ["a", "--config", str(options)], "prog") == 0
    assert run_command(choose, ["a", f"--config={options}", "--system", "C=z", "D=w", "--count=3"], "prog") == 0
    assert capsys.readouterr().out == "['a'] ['A=x', 'B=y'] [1, 2]\n['a'] ['C=z', 'D=w'] [3]\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "options.yaml: there is no such file"),
        ("colour: red", "options.yaml: there is no option 'colour'; there are system, count"),
        ("inputs: [a]", "options.yaml: there is no option 'inputs'"),
        ("count: [one]", "count"),
        ("count: [1", "options.yaml: not YAML"),
        ("", "options.yaml: holds no options; it has lines such as `system: value`"),
    ],
)
def test_a_bad_file_of_options_gets_one_line(tmp_path: Path, content: str | None, message: str) -> None:
    options = tmp_path / "options.yaml"
    if content is not None:
        options.write_text(content)
    with pytest.raises(UsageError) as caught:
        run_command(choose, ["a", "--config", str(options)], "prog")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_list_without_an_item_is_an_error() -> None:
    with pytest.raises(UsageError, match="system"):
        run_command(choose, ["a", "--system", "--count", "1"], "prog")


def fail_in_use() -> None:
    """Wrong input."""
    raise UsageError("clips.csv: line 3 has no label")


def fail_while_running() -> None:
    """A run that fails."""
    raise RunFailure("no clip is left")


def fail_for_the_disk() -> None:
    """A disk that is full, met where nobody looked for it."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "out/notes.txt")


def fail_for_rights() -> None:
    """A folder of another user, met where nobody looked for it."""
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "out")


def fail_by_surprise() -> None:
    """A defect."""
    raise ZeroDivisionError("division\nby zero")


@pytest.mark.parametrize(
    ("function", "code", "message"),
    [
        ("fail_in_use", 2, "error: clips.csv: line 3 has no label\n"),
        ("fail_while_running", 1, "error: no clip is left\n"),
        ("fail_for_the_disk", 1, "error: out/notes.txt cannot be used: No space left on device\n"),
        ("fail_for_rights", 1, "error: out cannot be used: Permission denied\n"),
        ("fail_by_surprise", 1, "error: ZeroDivisionError: division by zero\nRun it again with --debug"),
    ],
)
def test_a_failure_is_one_line_and_its_exit_code(
    function: str, code: int, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(COMMANDS, "failing", (f"{__name__}:{function}", ""))
    assert main(["failing"]) == code
    told = capsys.readouterr().err
    assert told.startswith(message)
    assert ("Run it again with --debug" in told) == (function == "fail_by_surprise")
    assert "Traceback" not in told
    assert main(["failing", "--debug"]) == code
    assert "Traceback" in capsys.readouterr().err


def test_every_command_module_is_where_the_table_says() -> None:
    for target, summary in COMMANDS.values():
        module, _, function = target.partition(":")
        path = Path(cli.__file__).parents[2] / (module.replace(".", "/") + ".py")
        assert path.is_file(), f"{path} is missing"
        assert f"{function}" in path.read_text()
        assert summary
        assert not summary.endswith(".")


def test_one_line_leaves_out_how_a_parser_tried() -> None:
    error = ValueError('Parser key "model":\n  Does not validate against any of the Union subtypes\n  Subtypes: [A]\n')
    assert one_line(error) == 'ValueError: Parser key "model":'
    assert one_line(UsageError("plain")) == "plain"


def test_fit_names_a_key_it_does_not_know(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "wrong.yaml"
    config.write_text("trainer:\n  max_epoch: 3\n")
    assert main(["fit", "--config", str(config)]) == 2
    told = capsys.readouterr().err
    assert "max_epoch" in told
    assert "Traceback" not in told
    assert len(told.strip().splitlines()) == 1


def test_fit_names_a_config_that_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--config", str(tmp_path / "absent.yaml")]) == 2
    assert "absent.yaml" in capsys.readouterr().err
