"""`fit --help` fits one screen and lists the config's own keys; `--KEY.help` is a class's page."""

import pytest

from v2a_lightning.app.cli import LIGHTNING_COMMANDS, main
from v2a_lightning.app.config_help import help_page
from v2a_lightning.errors import UsageError


def page(*arguments: str) -> str:
    found = help_page("fit", LIGHTNING_COMMANDS["fit"], arguments)
    assert found is not None
    return found


def line_of(text: str, key: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.split()[:1] == [key]]
    return line.split()


@pytest.mark.parametrize("config", ["", "quickstart", "v2a_mapper", "videos", "ablations/base"])
def test_help_is_one_screen(config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    lines = page(*(["--config", config] if config else []), "--help").splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 120
    assert lines[0].startswith("usage: python -m v2a_lightning fit --config FILE")


def test_help_lists_the_keys_in_use_with_value_and_meaning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    text = page("--config", "quickstart", "--data.batch_size=7", "--help")
    assert line_of(text, "--data")[1] == "MiniatureDataModule"
    assert " ".join(line_of(text, "--data.batch_size")[1:]) == "7 clips in a batch, over all devices and nodes"
    assert " ".join(line_of(text, "--model.network")[1:3]) == "TransformerMapper {depth:"
    assert line_of(text, "--model.guidance")[1] == "2.0"
    assert line_of(text, "--evaluation.clips")[1] == "64"
    assert line_of(text, "--trainer.max_epochs")[1] == "12"
    assert line_of(text, "--run.experiment")[1] == "quickstart"
    assert "--trainer.min_epochs" not in text


def test_help_without_a_config_says_how_to_get_one_and_the_runs_own_keys() -> None:
    text = page("-h")
    assert "A config's keys: python -m v2a_lightning fit --config quickstart --help\n" in text
    assert {"quickstart,", "v2a_mapper,"} <= set(line_of(text, "Configs:"))
    assert line_of(text, "--run.root")[1] == "'runs'"
    assert line_of(text, "--trainer.max_epochs")[1] == "None"


def test_a_class_has_a_page_with_what_it_inherits(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--data.help", "v2a_lightning.data_modules.VGGSoundDataModule"]) == 0
    text = capsys.readouterr().out
    assert "--data.csv  str (needed)" in text
    assert "--data.batch_size  int (default 64)" in text
    assert "more: --data.splits.help CLASS" in text
    assert "--data.options" not in text


def test_the_class_of_the_given_config_needs_no_name() -> None:
    text = page("--config", "quickstart", "--model.network.help")
    assert text.startswith("v2a_lightning.mapper.TransformerMapper: ")
    assert "--model.network.depth  int (default 12), here 2" in text
    assert page("--trainer.help").startswith("lightning.pytorch.Trainer: ")
    assert page("--config", "quickstart", "--data.splits.help").startswith("v2a_lightning.data_modules.Splits: ")


def test_a_page_of_no_class_is_one_line() -> None:
    with pytest.raises(UsageError, match=r"--data.help: no class is named; give one, or a --config that has it"):
        page("--data.help")
    with pytest.raises(UsageError, match=r"--data.help: no.Such: there is no such class"):
        page("--data.help=no.Such")


def test_what_is_no_question_is_run() -> None:
    assert help_page("fit", "", ["--config", "quickstart"]) is None
