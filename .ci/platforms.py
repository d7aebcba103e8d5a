"""Where `pip install v2a-lightning` finds a wheel of everything: `python .ci/platforms.py`, with uv on the path.

Every platform and Python is resolved for itself, with wheels alone, and the table is written into
docs/results/platforms.md. Two small packages of laion_clap have no wheels anywhere and build in a second from source.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "results" / "platforms.md"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = {
    "Linux, x86-64": "x86_64-manylinux_2_28",
    "Linux, ARM (aarch64)": "aarch64-manylinux_2_28",
    "macOS, Apple silicon": "aarch64-apple-darwin",
    "macOS, Intel": "x86_64-apple-darwin",
    "Windows, x86-64": "x86_64-pc-windows-msvc",
}
PURE_PYTHON_SOURCES = ("progressbar", "wget")
# What the default installation leaves out where it does not exist.
BY_MARKER = ("laion-clap", "decord")
SHOWN = ("torch", "numpy", "av")
# Of the newest torch; uv assumes 13.
MACOS = "14.0"

TEXT = """# Where it installs

Written by `python .ci/platforms.py`: each cell is a resolution of its own, with wheels alone, of the newest versions
there are. In brackets is what does not exist there and is left out. Without laion_clap, transformers reads LAION's
files and gives the same embeddings; without decord, PyAV decodes every frame and gives the same frames. Nothing has to
be configured for that. No torch since 2.3 runs on Intel Macs.

{default}

## With every extra

`pip install 'v2a-lightning[all]'`:

{all}

## Versions chosen

{versions}
"""


def resolve(platform: str, python: str, *extras: str) -> dict[str, str] | str:
    """Versions by package, or the first line of what stands against it."""
    command = ["uv", "pip", "compile", "pyproject.toml", "--quiet", "--no-header", "--no-annotate"]
    command += ["--only-binary", ":all:"]
    for name in PURE_PYTHON_SOURCES:
        command += ["--no-binary", name]
    for extra in extras:
        command += ["--extra", extra]
    command += ["--python-platform", platform, "--python-version", python]
    environment = {**os.environ, "MACOSX_DEPLOYMENT_TARGET": MACOS}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        return done.stderr
    pairs = (line.partition(";")[0].strip().split("==") for line in done.stdout.splitlines() if "==" in line)
    return {name.partition("[")[0]: version for name, version in pairs}


def cell(found: dict[str, str] | str) -> str:
    """`yes`, with what is left out, or `no` and the package that is missing."""
    if isinstance(found, str):
        missing = [name for name in ("torch", "av", "gradio", "umap-learn") if f"Because {name}" in found]
        return f"no: {missing[0] if missing else found.splitlines()[0]} has no wheel"
    left_out = [name.replace("-", "_") for name in BY_MARKER if name not in found]
    return "yes" + (f" (without {', '.join(left_out)})" if left_out else "")


def table(rows: dict[str, list[str]], columns: tuple[str, ...]) -> str:
    """A Markdown table."""
    lines = [["", *columns], ["---"] * (len(columns) + 1), *([name, *cells] for name, cells in rows.items())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Resolve all of them, and write the page."""
    kinds: dict[str, dict[str, list[str]]] = {"default": {}, "all": {}, "versions": {}}
    for number, (name, platform) in enumerate(PLATFORMS.items(), 1):
        print(f"{number} of {len(PLATFORMS)}: {name}", file=sys.stderr)
        found = [resolve(platform, python) for python in PYTHONS]
        kinds["default"][name] = [cell(one) for one in found]
        kinds["all"][name] = [cell(resolve(platform, python, "all")) for python in PYTHONS]
        kinds["versions"][name] = [
            "" if isinstance(one, str) else ", ".join(f"{package} {one[package]}" for package in SHOWN) for one in found
        ]
    columns = tuple(f"Python {python}" for python in PYTHONS)
    PAGE.write_text(TEXT.format(**{kind: table(rows, columns) for kind, rows in kinds.items()}))
    print(PAGE.relative_to(ROOT))


if __name__ == "__main__":
    main()
