"""The project as `pip install` puts it on a machine."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHON = sys.executable
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"


def copy_sources(folder: Path) -> None:
    """Copy what a wheel is built from."""
    for name in ("v2a_lightning", "data_modules", "callbacks", "experiments"):
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)


def install(source: Path, site: Path) -> None:
    """Build a wheel in one empty folder, and unpack it into another."""
    copy_sources(source)
    subprocess.run([sys.executable, "-c", BUILD, "."], cwd=source, check=True, capture_output=True)
    with zipfile.ZipFile(next(source.glob("*.whl"))) as wheel:
        wheel.extractall(site)


def v2a(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed program."""
    command = [PYTHON, "-m", "v2a_lightning", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
