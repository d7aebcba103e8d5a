"""The release script: the version stands in one place, and what is built holds what it has to."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import v2a_lightning
from tests.installation import ROOT, copy_sources

SPEC = importlib.util.spec_from_file_location("release", ROOT / ".ci" / "release.py")
assert SPEC is not None
assert SPEC.loader is not None
release = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(release)

BUILD = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"


CHANGELOG = """## [Unreleased]

## [1.2.3] - 2026-01-31

- A.

## [1.2.2] - 2026-01-30
"""


def commit(folder: Path) -> None:
    """Commit all that is in a repository's folder."""
    person = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "add", "."], cwd=folder, check=True)
    subprocess.run(["git", *person, "commit", "--quiet", "--message", "All"], cwd=folder, check=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository of one commit that could be released as 1.2.3."""
    (tmp_path / "v2a_lightning").mkdir()
    (tmp_path / "v2a_lightning" / "__init__.py").write_text('__version__ = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    commit(tmp_path)
    return tmp_path


def test_the_version_is_the_packages() -> None:
    assert release.version_of(ROOT) == v2a_lightning.__version__


def test_a_changelog_names_the_version_with_its_day(checkout: Path) -> None:
    release.check_changelog(checkout, "1.2.3")
    with pytest.raises(SystemExit, match=r"needs the heading '## \[1.2.4\] - YYYY-MM-DD'"):
        release.check_changelog(checkout, "1.2.4")
    (checkout / "CHANGELOG.md").write_text(CHANGELOG.replace("## [Unreleased]\n", "## [Unreleased]\n\n- B.\n"))
    with pytest.raises(SystemExit, match="Unreleased"):
        release.check_changelog(checkout, "1.2.3")


def test_a_tag_is_new_or_stands_on_this_commit(checkout: Path) -> None:
    release.check_tag(checkout, "v1.2.3")
    subprocess.run(["git", "tag", "v1.2.3"], cwd=checkout, check=True)
    release.check_tag(checkout, "v1.2.3")
    (checkout / "more").write_text("")
    with pytest.raises(SystemExit, match="commit or stash"):
        release.check_tag(checkout, "v1.2.3")
    commit(checkout)
    with pytest.raises(SystemExit, match="raise __version__"):
        release.check_tag(checkout, "v1.2.3")


def test_the_sources_hold_all_that_the_wheel_is_built_from(tmp_path: Path) -> None:
    source = tmp_path / "source"
    copy_sources(source)
    subprocess.run([sys.executable, "-c", BUILD, str(tmp_path)], cwd=source, check=True, capture_output=True)
    [sources] = tmp_path.glob("*.tar.gz")
    release.check_contents(sources, v2a_lightning.__version__)
    held = release.names_in(sources)
    package = ROOT / "v2a_lightning"
    parts = [path.relative_to(ROOT) for path in package.rglob("*.py") if "configs" not in path.parts]
    for folder in ("callbacks", "data_modules"):
        parts += [Path("v2a_lightning") / path.relative_to(ROOT) for path in (ROOT / folder).rglob("*.py")]
    configs = [path.relative_to(ROOT / "experiments") for path in (ROOT / "experiments").rglob("*.yaml")]
    parts += [Path("v2a_lightning/configs") / path for path in configs if path.parts[0] != "benchmarks"]
    parts += [path.relative_to(ROOT) for path in package.rglob("*.safetensors")]
    assert {path.as_posix() for path in parts} <= held
    with pytest.raises(SystemExit, match="is not of version 9"):
        release.check_contents(sources, "9")


def test_the_citation_is_one() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert "version" not in citation  # it stands in one place
    assert citation["license"] == release_license()


def release_license() -> str:
    """The license that the package states."""
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    return next(line.split('"')[1] for line in lines if line.startswith("license = "))


def test_the_linters_before_a_commit_are_those_of_make_lint() -> None:
    [local] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    makefile = (ROOT / "Makefile").read_text()
    for hook in local["hooks"]:
        assert hook["entry"].replace(".venv/bin/python", "$(RUN)") in makefile
