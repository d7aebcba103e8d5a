"""The code blocks of the documentation's pages."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "experiments" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"(?:^<!-- ([^\n]*) -->\n)?^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROGRAMS = (["v2a"], ["python", "-m", "v2a_lightning"])


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Args:
        page: the page it is on.
        needs: what a test cannot give it, as the comment above it says; "" when it can be run.
        language: sh, python, yaml, ...
        text: what stands in it.
    """

    page: Path
    needs: str
    language: str
    text: str

    @property
    def commands(self) -> list[list[str]]:
        """The words of each line, without comments; a line that goes on is one."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [words for line in lines if (words := shlex.split(line, comments=True))]


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page, in their order."""
    return [Block(page, *found) for found in BLOCK.findall(page.read_text())]


def program_arguments(words: list[str]) -> list[str] | None:
    """What a command gives to the program, whatever starts it; None when it starts another."""
    for program in PROGRAMS:
        for start in range(len(words) - len(program) + 1):
            if words[start : start + len(program)] == program:
                return words[start + len(program) :]
    module = ["-m", "v2a_lightning"]
    starts = [at for at in range(len(words)) if words[at : at + 2] == module]
    return words[starts[0] + 2 :] if starts else None
