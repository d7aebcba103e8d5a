"""What `pip install` puts on a machine: one package, with the configs, which works from a folder that is somebody's."""

import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.installation import ROOT, v2a


def test_an_installation_holds_one_package(site: Path) -> None:
    names = {path.name for path in site.iterdir() if not path.name.endswith(".dist-info")}
    assert names == {"v2a_lightning"}
    package = site / "v2a_lightning"
    assert (package / "data_modules" / "vggsound.py").is_file()
    configs = {path.relative_to(ROOT / "experiments") for path in (ROOT / "experiments").rglob("*.yaml")}
    wanted = {path for path in configs if path.parts[0] != "benchmarks"}
    assert {path.relative_to(package / "configs") for path in (package / "configs").rglob("*.*")} == wanted


@pytest.mark.usefixtures("somewhere")
def test_it_brings_the_program_v2a(site: Path) -> None:
    [program] = [one for found in distributions(path=[str(site)]) for one in found.entry_points]
    assert (program.group, program.name) == ("console_scripts", "v2a")
    code = f"import sys; sys.argv[0] = 'v2a'; from {program.module} import {program.attr}; {program.attr}()"
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "v2a" in done.stdout
    assert "generate" in done.stdout


def test_it_trains_by_a_configs_name_from_anybodys_folder(somewhere: Path) -> None:
    small = ["--data.clips=28", "--data.batch_size=8", "--evaluation.clips=2", "--evaluation.generator.steps=1"]
    done = v2a("fit", "--config", "quickstart", "--trainer.fast_dev_run=true", *small)
    assert done.returncode == 0, done.stderr
    assert not (somewhere / "runs").exists()
    listed = v2a("experiment", "ablation-aggregation", "--commands", "true")
    assert listed.returncode == 0, listed.stderr
    assert "fit --config" in listed.stdout
