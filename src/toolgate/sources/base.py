"""What a source of server definitions answers, and what is reported of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from toolgate.model.server import Server

__all__ = ["Found", "Problem", "Shadowed", "Skipped", "Source", "SourceReport"]


@dataclass(frozen=True, slots=True)
class Problem:
    """What could not be used, where. `line` counts from 1, 0 where there is none; `field` is a dotted path or a
    variable. No value is ever quoted."""

    file: str
    line: int
    field: str
    reason: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.field}: {self.reason}" if self.field else f"{place}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A definition that was understood and is left out on purpose."""

    name: str
    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class Shadowed:
    """A definition whose name an earlier one has. `by` is that one's source; `identical` if it says the same."""

    name: str
    file: str
    by: str
    identical: bool


@dataclass(frozen=True, slots=True)
class Found:
    """One complete reading. `files` are all that were looked for, there or not.

    `withheld` are names that this source takes without serving them: no later source serves them either.
    """

    servers: tuple[Server, ...] = ()
    problems: tuple[Problem, ...] = ()
    files: tuple[Path, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    withheld: frozenset[str] = frozenset()


class Source(Protocol):
    """A place where server definitions are found. It never sees traffic."""

    @property
    def name(self) -> str: ...

    def read(self) -> Found:
        """Everything that the source has, at once. Blocks; never raises for what others wrote."""
        ...


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What became of one source: `count` servers of it are served. `files` are those that exist."""

    name: str
    files: tuple[Path, ...]
    count: int
    shadowed: tuple[Shadowed, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    problems: tuple[Problem, ...] = ()
