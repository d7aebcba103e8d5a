"""What works with the packages of `pip install v2a-lightning` alone, and without those that exist not everywhere."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement

from tests.encoders.laion_names import laion_state
from tests.encoders.test_clap import small_laion
from tests.test_packaging import PROJECT, ROOT, canonical
from v2a_lightning.encoders import ClapEncoder
from v2a_lightning.media.decord_frames import read_with_decord

# Put before the code: every package in `absent`, the command line's at first, is as if it had never been installed.
WITHOUT = """
import sys
class Filtered:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in absent else self.finder.find_spec(name, path, target)
    def __getattr__(self, name):
        return getattr(self.finder, name)
absent = set(sys.argv[1].split(","))
sys.meta_path = [Filtered(finder) for finder in sys.meta_path]
"""
# Where least is installed first, then with the modules of the second list back.
IMPORT_ALL = """
import importlib, pkgutil, v2a_lightning
for back in (set(), set(sys.argv[2].split(","))):
    absent -= back
    for one in [one for one in sys.modules if one.partition(".")[0] in {"v2a_lightning", *back}]:
        del sys.modules[one]
    package = importlib.import_module("v2a_lightning")
    names = ["v2a_lightning", *(one.name for one in pkgutil.walk_packages(package.__path__, "v2a_lightning."))]
    for name in names:
        importlib.import_module(name)
    assert not [one for one in sys.modules if one.partition(".")[0] in absent]
    print(len(names))
"""


def default_packages() -> set[str]:
    """Distributions that the default installation brings, those that its packages ask for included."""
    found: set[str] = set()
    waiting = [Requirement(line) for line in PROJECT["dependencies"]]
    while waiting:
        wanted = waiting.pop()
        name = canonical(wanted.name)
        if name in found:
            continue
        try:
            asked = [Requirement(line) for line in requires(name) or []]
        except PackageNotFoundError:  # by its marker not for this machine
            continue
        found.add(name)
        extras = [{"extra": extra} for extra in wanted.extras or {""}]
        waiting += [one for one in asked if one.marker is None or any(map(one.marker.evaluate, extras))]
    return found


def without(modules: set[str], code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code on a machine that has none of these modules."""
    command = [sys.executable, "-c", WITHOUT + code, ",".join(sorted(modules)), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def optional_modules() -> set[str]:
    """Modules here that are of no package of the default installation."""
    wanted = default_packages() | {"pip", "setuptools"}
    shipped = packages_distributions()
    return {module for module, owners in shipped.items() if not wanted & {canonical(one) for one in owners}} - {
        "v2a_lightning", "data_modules", "callbacks",
    }  # fmt: skip


def test_every_module_imports_on_arm_and_with_python_3_13_and_by_default() -> None:
    optional, missing = optional_modules(), {"laion_clap", "clap_module", "decord"}
    assert optional >= {"krippendorff", "yt_dlp", "s3fs", "pytest"}
    done = without(optional | missing, IMPORT_ALL, ",".join(missing))
    assert done.returncode == 0, done.stderr
    folders = ("v2a_lightning", "data_modules", "callbacks")
    files = sum(len(list((ROOT / folder).rglob("*.py"))) for folder in folders)
    counts = [int(line) for line in done.stdout.split()]
    assert len(counts) == 2
    assert min(counts) >= files


def test_without_laion_clap_transformers_reads_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "laion.pt"
    torch.save(laion_state(small_laion()), file)
    waveforms = torch.randn(2, 48_000, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    expected = ClapEncoder(str(file)).encode_audio(waveforms, 48_000)
    monkeypatch.setattr("v2a_lightning.encoders.clap.find_spec", lambda name: None)
    encoder = ClapEncoder(str(file), backend="laion_clap")
    torch.testing.assert_close(encoder.encode_audio(waveforms, 48_000), expected, rtol=0, atol=0)


def test_without_decord_pyav_reads(tiny_world: Path) -> None:
    clip = next((tiny_world / "clips").rglob("*.mp4"))
    code = f"""
from v2a_lightning.media.decord_frames import read_with_decord
from v2a_lightning.media import read_frames
from v2a_lightning.specs import FrameSpec
assert read_with_decord({str(clip)!r}, [0.0]) is None
frames = [read_frames({str(clip)!r}, FrameSpec(4, 1.0), backend=one) for one in ("decord", "pyav")]
assert (frames[0] == frames[1]).all()
print(frames[0].shape)
"""
    done = without({"decord"}, code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("(4, ")
    assert done.stderr == ""
    assert read_with_decord(clip, [0.0]) is not None
