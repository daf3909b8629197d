"""The fenced blocks of the documentation."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.parts.where import ROOT

__all__ = ["PAGES", "Block", "Command", "blocks", "commands"]

PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])

_FENCE = re.compile(
    r"^```(?P<language>\w*)(?: file=(?P<file>\S+))?(?P<wrong> wrong)?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """`file` is where the text is to be written, or empty; `wrong` is a text that is meant to be refused."""

    page: Path
    line: int
    language: str
    text: str
    file: str
    wrong: bool

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True)
class Command:
    """A line that a person types, and pieces of what they then see, in order."""

    line: str
    sees: tuple[str, ...]


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield Block(page, line, match["language"], match["text"], match["file"] or "", bool(match["wrong"]))


def commands(block: Block) -> list[Command]:
    found: list[Command] = []
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE):
        line, _, rest = part.partition("\n")
        if line:
            found.append(Command(line, tuple(seen for seen in rest.splitlines() if seen.strip())))
    return found
