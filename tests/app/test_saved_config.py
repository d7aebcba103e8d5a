"""What came from the environment is written down by its variable's name, and read again gives the same."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonargparse import ArgumentParser

from v2a_lightning.app.saved_config import without_environment

CONFIG = """
address: s3://${oc.env:V2A_TEST_SECRET}@host
again: ${address}
part: {n: "${oc.decode:${oc.env:V2A_TEST_NUMBER}}", m: "${part.n}"}
several: [plain, "${oc.env:V2A_TEST_MISSING, ${oc.env:V2A_TEST_SECRET}}"]
"""


def parser() -> ArgumentParser:
    parser = ArgumentParser(parser_mode="omegaconf+", exit_on_error=False)
    parser.add_argument("--config", action="config")
    parser.add_argument("--address", type=str)
    parser.add_argument("--again", type=str | None)
    parser.add_argument("--part.n", type=int)
    parser.add_argument("--part.m", type=int)
    parser.add_argument("--several", type=list[str])
    parser.add_argument("--token", type=str | None)
    return parser


def written(arguments: list[str]) -> tuple[str, object]:
    own = parser()
    config = own.parse_args(arguments)
    return without_environment(own.dump(config, skip_none=False), own, arguments), config.as_dict() | {"config": None}


def test_variables_are_named_and_other_values_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("V2A_TEST_SECRET", "hidden")
    monkeypatch.setenv("V2A_TEST_NUMBER", "7")
    (tmp_path / "config.yaml").write_text(CONFIG)
    option = "--token=${oc.env:V2A_TEST_SECRET}"
    text, config = written([f"--config={tmp_path / 'config.yaml'}", option])
    assert "hidden" not in text
    said = yaml.safe_load(text)
    assert said["address"] == said["again"] == "s3://${oc.env:V2A_TEST_SECRET}@host"
    assert said["several"] == ["plain", "${oc.env:V2A_TEST_MISSING, ${oc.env:V2A_TEST_SECRET}}"]
    assert said["token"] == "${oc.env:V2A_TEST_SECRET}"
    (tmp_path / "again.yaml").write_text(text)
    assert written([f"--config={tmp_path / 'again.yaml'}"])[1] == config


def test_without_variables_the_text_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("part: {n: 3, m: '${part.n}'}\nseveral: []\naddress: a\n")
    own = parser()
    arguments = [f"--config={tmp_path / 'config.yaml'}"]
    text = own.dump(own.parse_args(arguments), skip_none=False)
    assert without_environment(text, own, arguments) == text
    assert yaml.safe_load(text)["part"] == {"n": 3, "m": 3}


def test_a_runs_config_names_the_variable(tiny_config: dict[str, Any], tmp_path: Path, monkeypatch: Any) -> None:
    from v2a_lightning.app.lightning_cli import MapperCLI

    monkeypatch.setenv("V2A_TEST_SECRET", "hidden-project")
    tiny_config["run"] |= {"project": "${oc.env:V2A_TEST_SECRET}"}
    (tmp_path / "config.yaml").write_text(yaml.dump(tiny_config))
    options = ["--trainer.fast_dev_run=true", "--model.init_args.guidance=3"]
    cli = MapperCLI("fit", [f"--config={tmp_path / 'config.yaml'}", *options])
    assert cli.config.run.project == "hidden-project"
    text = cli._config_text
    assert "hidden-project" not in text
    said = yaml.safe_load(text)
    assert said["run"]["project"] == "${oc.env:V2A_TEST_SECRET}"
    assert said["model"]["init_args"]["guidance"] == 3
    assert said["data"]["init_args"]["csv"] == tiny_config["data"]["init_args"]["csv"]
