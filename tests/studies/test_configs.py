"""Every config under experiments/ runs: one tiny epoch on the tiny world."""

from pathlib import Path

import pytest
import yaml

from tests.conftest import EXPERIMENTS, make_tiny
from v2a_lightning.app.cli import main

BASES = sorted(EXPERIMENTS.glob("*.yaml"))
MAPPERS = sorted((EXPERIMENTS / "mappers").glob("*.yaml"))
TINY_NETWORKS = {
    "TransformerMapper": {"depth": 1, "heads": 2, "dim_head": 32, "ff_mult": 1},
    "TransformerRegressor": {"depth": 1, "heads": 2, "dim_head": 32, "ff_mult": 1},
    "MLPMapper": {"hidden": 32},
    "MLPRegressor": {"hidden": 32},
}


def test_there_are_the_base_and_the_four_mappers() -> None:
    assert [path.stem for path in BASES] == ["imagehear", "quickstart", "v2a_mapper", "videos"]
    names = {"diffusion_transformer", "diffusion_mlp", "regression_transformer", "regression_mlp"}
    assert names <= {path.stem for path in MAPPERS}


@pytest.mark.parametrize("path", BASES, ids=lambda path: path.stem)
def test_a_base_runs_one_epoch(path: Path, random_weights: Path, tiny_world: Path, tmp_path: Path) -> None:
    config = make_tiny(yaml.safe_load(path.read_text()), random_weights, tiny_world, tmp_path)
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(config))
    options = ["--trainer.max_epochs=1", "--run.wandb=disabled"]
    assert main(["fit", "--config", str(tmp_path / "tiny.yaml"), *options]) == 0
    assert (next((tmp_path / "runs" / path.stem).iterdir()) / "report.html").is_file()


@pytest.mark.parametrize("path", MAPPERS, ids=lambda path: path.stem)
def test_a_mapper_runs_over_a_base(path: Path, random_weights: Path, tiny_world: Path, tmp_path: Path) -> None:
    config = make_tiny(
        yaml.safe_load((EXPERIMENTS / "quickstart.yaml").read_text()), random_weights, tiny_world, tmp_path
    )
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(config))
    network = yaml.safe_load(path.read_text())["model"]["init_args"]["network"]["class_path"].rpartition(".")[2]
    sizes = [f"--model.network.{name}={value}" for name, value in TINY_NETWORKS[network].items()]
    options = ["--trainer.fast_dev_run=1", "--evaluation.clips=2"]
    assert main(["fit", "--config", str(tmp_path / "tiny.yaml"), "--config", str(path), *sizes, *options]) == 0


def test_a_mapper_brings_its_own_depth_to_any_base() -> None:
    from v2a_lightning.app.lightning_cli import MapperCLI

    class Parsed(MapperCLI):
        """Reads the config and builds nothing."""

        def instantiate_classes(self) -> None:
            """Nothing."""

    for base in (path for path in BASES if path.stem != "imagehear"):
        for mapper, depth in (("diffusion_mlp", 2), ("regression_mlp", 1)):
            path = EXPERIMENTS / "mappers" / f"{mapper}.yaml"
            config = Parsed("fit", ["--config", str(base), "--config", str(path)]).config
            assert config["model"]["init_args"]["network"]["init_args"]["depth"] == depth
            assert config["model"]["init_args"]["optimizer"]["class_path"] == "torch.optim.AdamW"


def test_the_papers_config_says_where_each_value_is_from() -> None:
    lines = (EXPERIMENTS / "v2a_mapper.yaml").read_text().splitlines()
    model = lines[lines.index("model:") : lines.index("evaluation:")]
    values = [line for line in model if ": " in line and "class_path" not in line]
    unmarked = [line for line in values if not any(mark in line for mark in ("paper", "derived", "chosen"))]
    assert values
    assert not unmarked
