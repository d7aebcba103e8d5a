"""Sweeps: their commands fit without Weights & Biases, and the real agent runs two trials in a row in one folder."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.studies.wandb_server import ENTITY, PROJECT, SweepServer
from v2a_lightning.app.cli import main
from v2a_lightning.studies.records import scores_of

SWEEPS = sorted((Path(__file__).parents[2] / "experiments" / "sweeps").glob("*.yaml"))
BASE = "ablations/base"
TINY = ["--config", "ablations/tiny"]


def first_values(parameter: dict[str, Any]) -> list[Any]:
    """Two values a sweep may try."""
    return parameter["values"][:2] if "values" in parameter else [parameter["min"], parameter["max"]]


def tiny_command(sweep: dict[str, Any]) -> list[str]:
    """The sweep's own command, on a base at the tiny size."""
    command = ["base.yaml" if part == BASE else part for part in sweep["command"]]
    place = command.index("base.yaml") + 1
    return [*command[:place], *TINY, *command[place:]]


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_a_sweeps_command_fits_without_being_logged_in(
    path: Path, in_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    sweep = yaml.safe_load(path.read_text())
    assert sweep["command"][:4] == ["${env}", "${interpreter}", "-m", "v2a_lightning"]
    assert sweep["command"][-1] == "${args}"
    given = [f"--{key}={first_values(value)[0]}" for key, value in sweep["parameters"].items()]
    arguments = [*tiny_command(sweep)[4:-1], *given, f"--run.root={tmp_path}", "--run.name=trial"]
    assert main(arguments) == 0
    (run,) = tmp_path.glob("*/trial")
    metric = sweep["metric"]["name"].removeprefix("val/")
    assert metric in scores_of(run, "val")


def test_the_agent_runs_two_trials_in_one_folder(in_project: Path, tmp_path: Path, quick_python: Path) -> None:
    sweep = yaml.safe_load((SWEEPS[0].parent / "aggregation.yaml").read_text())
    sweep["command"] = [*tiny_command(sweep)[:-1], f"--run.root={tmp_path}/runs", "${args}"]
    (aggregators,) = [first_values(sweep["parameters"]["model.init_args.aggregator"])]
    trials = [{"model.init_args.aggregator": name, "seed_everything": 1} for name in aggregators]
    with SweepServer(yaml.safe_dump(sweep), trials) as server:
        subprocess.run(
            [str(quick_python), "-m", "wandb", "agent", f"{ENTITY}/{PROJECT}/sweep"],
            env=agent_environment(server.url, tmp_path, quick_python), check=True, timeout=280, capture_output=True,
        )  # fmt: skip
        assert not server.unknown, server.unknown
        runs = dict(server.runs)

    assert set(runs) == {"trial0", "trial1"}
    assert len(list((tmp_path / "runs" / "sweep-aggregation").glob("*/config.yaml"))) == 2
    for number, name in enumerate(aggregators):
        run = runs[f"trial{number}"]
        assert run["exit"] == 0
        assert run["sweep"] == "sweep"
        assert run["config"]["model"]["init_args"]["aggregator"]["class_path"] == name
        assert run["config"]["trainer"]["max_epochs"] == 1
        assert run["config"]["seed_everything"] == 1
        assert run["summary"][sweep["metric"]["name"]] >= 0
        assert any(sweep["metric"]["name"] in row for row in run["history"])


def agent_environment(url: str, folder: Path, python: Path) -> dict[str, str]:
    """Logged in at the stand-in; ${interpreter} is looked up on the path."""
    own = {
        "WANDB_BASE_URL": url, "WANDB_API_KEY": "0" * 40, "WANDB_MODE": "online", "WANDB_DIR": str(folder),
        "WANDB_ERROR_REPORTING": "false", "WANDB_CONFIG_DIR": str(folder / "config"),
        "WANDB_CACHE_DIR": str(folder / "cache"), "WANDB_DATA_DIR": str(folder / "data"),
        "PATH": os.pathsep.join([str(python.parent), os.environ["PATH"]]),
    }  # fmt: skip
    return {**os.environ, **own}


def test_what_the_stand_in_is_sent_is_json(tmp_path: Path) -> None:
    with SweepServer("{}", []) as server:
        heartbeat = server.answer("mutation Heartbeat { agentHeartbeat }", {"runState": "{}"})
    assert json.loads(heartbeat["agentHeartbeat"]["commands"]) == [{"type": "exit"}]
