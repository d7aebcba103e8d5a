"""What `pip install` puts on a machine: one package, with the configs, which works from a folder that is somebody's."""

from pathlib import Path

from tests.installation import ROOT, v2a


def test_an_installation_holds_one_package(site: Path) -> None:
    names = {path.name for path in site.iterdir() if not path.name.endswith(".dist-info")}
    assert names == {"v2a_lightning"}
    package = site / "v2a_lightning"
    assert (package / "data_modules" / "vggsound.py").is_file()
    configs = {path.relative_to(ROOT / "experiments") for path in (ROOT / "experiments").rglob("*.yaml")}
    wanted = {path for path in configs if path.parts[0] != "benchmarks"}
    assert {path.relative_to(package / "configs") for path in (package / "configs").rglob("*.*")} == wanted


def test_it_trains_by_a_configs_name_from_anybodys_folder(somewhere: Path) -> None:
    data = ["--data.clips=28", "--data.batch_size=8"]
    done = v2a("fit", "--config", "quickstart", "--trainer.fast_dev_run=true", *data)
    assert done.returncode == 0, done.stderr
    assert not (somewhere / "runs").exists()
    listed = v2a("experiment", "ablation-aggregation", "--commands", "true")
    assert listed.returncode == 0, listed.stderr
    assert "fit --config" in listed.stdout
