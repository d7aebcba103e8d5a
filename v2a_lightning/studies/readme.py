"""experiments/README.md: what the studies found, written between markers and never by hand."""

import re
import shutil
from pathlib import Path

from v2a_lightning.errors import UsageError
from v2a_lightning.files import atomic_write

README = Path("experiments/README.md")
FIGURES = Path("experiments/figures")


def write_section(name: str, text: str, readme: Path = README) -> None:
    """Replace what stands between `<!-- begin NAME -->` and `<!-- end NAME -->`.

    Raises:
        UsageError: when the file has no such markers.
    """
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    content = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    pattern = re.compile(re.escape(begin) + r".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(content):
        raise UsageError(f"{readme} has no place for {name}: it needs the lines {begin} and {end}")
    written = f"{begin}\n{text.strip()}\n{end}"
    with atomic_write(readme) as temporary:
        temporary.write_text(pattern.sub(lambda _: written, content), encoding="utf-8")


def keep_figure(figure: Path, name: str, folder: Path = FIGURES) -> str:
    """Copy a figure beside the README; its path from there."""
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(folder / name) as temporary:
        shutil.copyfile(figure, temporary)
    return f"{folder.name}/{name}"
