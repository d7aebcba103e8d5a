"""Check and build a release: `python .ci/release.py [--tag]`, with the packages of the group `release`.

The version stands in v2a_lightning/__init__.py alone. The changelog has to have its heading, and its tag has to be new
or stand on this very commit. What is built is what git has, in a folder of its own.
"""

import argparse
import ast
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
# PyPI takes no larger file.
LARGEST = 100 * 2**20
IN_THE_SOURCES = ("pyproject.toml", "README.md", "LICENSE", "v2a_lightning/__init__.py")
IN_THE_WHEEL = (
    "v2a_lightning/__main__.py",
    "v2a_lightning/py.typed",
    "v2a_lightning/callbacks/__init__.py",
    "v2a_lightning/data_modules/__init__.py",
    "v2a_lightning/configs/quickstart.yaml",
)


def version_of(root: Path) -> str:
    """The `__version__` of the package, which is not imported."""
    for node in ast.parse((root / "v2a_lightning" / "__init__.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__":
            return str(ast.literal_eval(node.value))
    sys.exit("v2a_lightning/__init__.py has no __version__")


def check_changelog(root: Path, version: str) -> None:
    """The changelog has one dated heading for the version, and nothing left over as unreleased."""
    text = (root / "CHANGELOG.md").read_text()
    if len(re.findall(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", text, re.MULTILINE)) != 1:
        sys.exit(f"CHANGELOG.md needs the heading '## [{version}] - YYYY-MM-DD' once")
    unreleased = re.search(r"^## \[Unreleased\]\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if unreleased and unreleased[1].strip():
        sys.exit(f"CHANGELOG.md: what stands under Unreleased belongs under [{version}], or waits on a branch")


def git(root: Path, *arguments: str) -> str:
    """What a git command prints."""
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def check_tag(root: Path, tag: str) -> None:
    """Everything is committed, and the tag is new or here."""
    if git(root, "status", "--porcelain"):
        sys.exit("commit or stash what git status shows first")
    if git(root, "tag", "--list", tag) and git(root, "rev-list", "-n1", tag) != git(root, "rev-parse", "HEAD"):
        sys.exit(f"the tag {tag} stands on another commit: raise __version__")


def build(root: Path, output: Path) -> list[Path]:
    """Sources, and from them the wheel, of the commit."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "commit.tar"
        git(root, "archive", "--output", str(archive), "HEAD")
        with tarfile.open(archive) as files:
            files.extractall(Path(folder) / "commit", filter="tar")
        source = str(Path(folder) / "commit")
        subprocess.run([sys.executable, "-m", "build", "--outdir", str(output), source], check=True)
    return sorted(output.iterdir())


def names_in(file: Path) -> set[str]:
    """What a wheel, or a source distribution below its one folder, holds."""
    if file.suffix == ".whl":
        with zipfile.ZipFile(file) as wheel:
            return set(wheel.namelist())
    with tarfile.open(file) as sources:
        return {name.partition("/")[2] for name in sources.getnames()}


def check_contents(file: Path, version: str) -> None:
    """The name, the size, and what has to be and must not be inside."""
    if f"-{version}" not in file.name:
        sys.exit(f"{file.name} is not of version {version}")
    if file.stat().st_size > LARGEST:
        sys.exit(f"{file.name} has {file.stat().st_size / 2**20:.0f} MiB; PyPI takes 100")
    names = names_in(file)
    if missing := set(IN_THE_WHEEL if file.suffix == ".whl" else IN_THE_SOURCES) - names:
        sys.exit(f"{file.name} lacks {', '.join(sorted(missing))}")
    if file.suffix == ".whl":
        own = ("v2a_lightning/", f"v2a_lightning-{version}.dist-info/")
        if strange := sorted(name for name in names if not name.startswith(own)):
            sys.exit(f"{file.name} would put {strange[0]} into site-packages")


def main() -> None:
    """Check, build, check what was built, tag."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tag", action="store_true", help="make the version's tag on this commit")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="an empty folder, or one to be made")
    options = parser.parse_args()
    version = version_of(ROOT)
    tag = f"v{version}"
    if options.output.exists() and any(options.output.iterdir()):
        sys.exit(f"{options.output} is not empty")
    check_changelog(ROOT, version)
    check_tag(ROOT, tag)
    files = build(ROOT, options.output)
    for file in files:
        check_contents(file, version)
    paths = [str(file) for file in files]
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *paths], check=True)
    if options.tag and not git(ROOT, "tag", "--list", tag):
        git(ROOT, "tag", "--annotate", tag, "--message", f"Version {version}")
    print(f"{tag}: {', '.join(paths)}\npublish it:\n  git push origin {tag}\n  twine upload {' '.join(paths)}")


if __name__ == "__main__":
    main()
