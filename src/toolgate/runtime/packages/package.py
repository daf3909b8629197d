"""What a package runner was asked to run."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

__all__ = ["Ecosystem", "Package", "name_of"]

_NAME: Final = re.compile(r"@[^/@]+/[^@]+|[A-Za-z0-9._~-]+")


class Ecosystem(StrEnum):
    NPM = "npm"
    PYPI = "PyPI"


@dataclass(frozen=True, slots=True)
class Package:
    """`spec` and `extra` are in the words of the ecosystem (`@scope/name@^1.2`, `name[extra]==1.2`), as its installer
    takes them; `binary` is empty where the package's own program is meant. `arguments` may hold secrets."""

    ecosystem: Ecosystem
    spec: str
    extra: tuple[str, ...] = ()
    binary: str = ""
    arguments: tuple[str, ...] = field(default=(), repr=False)
    python: str = ""
    """The interpreter that was asked for (`3.12`, `python3.12`, a path); empty for any."""

    @property
    def name(self) -> str:
        return name_of(self.spec)


def name_of(spec: str) -> str:
    """The name without version, range, tag or extras."""
    match = _NAME.match(spec)
    return match[0] if match else spec
