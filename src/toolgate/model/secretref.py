"""Secret references: `${NAME}`, `${NAME:-default}` and `${store:path#key}` name a secret and never hold it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

__all__ = ["MASK", "Reference", "Secret", "Template"]

MASK: Final = "***"

_REFERENCE: Final = re.compile(
    r"\$\{(?:(?P<store>[a-z][a-z0-9-]*):(?!-)(?P<path>[^}#]+)(?:#(?P<key>[^}]+))?"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?)\}"
)


class Secret:
    """A resolved value that never prints itself. `reveal()` is the only way to its text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return MASK

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


@dataclass(frozen=True, slots=True)
class Reference:
    """One `${…}`. `store` is empty for a name that is looked up in the configured order."""

    name: str
    store: str = ""
    key: str = ""
    default: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        if self.store:
            return f"${{{self.store}:{self.name}{'#' + self.key if self.key else ''}}}"
        return f"${{{self.name}}}"


@dataclass(frozen=True, slots=True)
class Template:
    """Text as a person wrote it, with references in it.

    Its literal parts may be secrets too (people paste keys into files), so `repr` masks them. `text` is for
    writing the definition back; `display()` is what may be shown.
    """

    text: str

    @property
    def references(self) -> tuple[Reference, ...]:
        return tuple(_reference(match) for match in _REFERENCE.finditer(self.text))

    def resolve(self, look_up: Callable[[Reference], str]) -> Secret:
        """All references replaced by what `look_up` answers; it raises `SecretMissing` where there is nothing."""
        return Secret(_REFERENCE.sub(lambda match: look_up(_reference(match)), self.text))

    def display(self) -> str:
        """The references as written, and every literal part around them masked."""
        shown: list[str] = []
        end = 0
        for match in _REFERENCE.finditer(self.text):
            shown.append(MASK if self.text[end : match.start()].strip() else self.text[end : match.start()])
            shown.append(str(_reference(match)))
            end = match.end()
        shown.append(MASK if self.text[end:].strip() else self.text[end:])
        return "".join(shown)

    def __repr__(self) -> str:
        return f"Template({self.display()!r})"

    @classmethod
    def of(cls, value: Any) -> "Template":
        return value if isinstance(value, cls) else cls(str(value))


def _reference(match: re.Match[str]) -> Reference:
    if store := match["store"]:
        return Reference(match["path"], store=store, key=match["key"] or "")
    return Reference(match["name"], default=match["default"])
