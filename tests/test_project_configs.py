"""The project's configs are found by name from any folder; a missing one is one line."""

from pathlib import Path

import pytest

from v2a_lightning.errors import UsageError
from v2a_lightning.project_configs import CONFIGS, config_files, config_path, with_config_paths


def test_a_file_wins_over_a_config_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert config_path("quickstart") == str(CONFIGS / "quickstart.yaml")
    assert config_path("mappers/diffusion_mlp") == str(CONFIGS / "mappers" / "diffusion_mlp.yaml")
    Path("quickstart").write_text("seed_everything: 1\n")
    assert config_path("quickstart") == "quickstart"
    assert config_path("{seed_everything: 1}") == "{seed_everything: 1}"


@pytest.mark.parametrize("name", ["absent", "absent.yaml", "quickstart.yaml", "."])
def test_a_missing_config_is_named_beside_those_there_are(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=rf"--config {name}: there is no such file; .*quickstart, v2a_mapper"):
        config_path(name)


def test_both_spellings_of_the_flag_are_found() -> None:
    arguments = ["--config", "quickstart", "--config=v2a_mapper", "--trainer.max_epochs=1"]
    files = [str(CONFIGS / "quickstart.yaml"), str(CONFIGS / "v2a_mapper.yaml")]
    assert with_config_paths(arguments) == ["--config", files[0], f"--config={files[1]}", arguments[3]]
    assert config_files(with_config_paths(arguments)) == files
