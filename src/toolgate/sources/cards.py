"""The catalogue of cards: those that are shipped, and those of a folder of the operator."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from toolgate.config.files import Unreadable, read_text
from toolgate.config.model import Document
from toolgate.model.card import Card
from toolgate.sources.base import Problem

__all__ = ["Catalogue", "InvalidCard", "card_of", "cards_folder", "parse_card", "shipped", "shipped_for"]

MAX_BYTES: Final = 256 * 2**10
MOST: Final = 1000  # cards in a folder
_SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
# What a word is worth, by where it is found.
_NAME, _TITLE, _WORD, _TOOL, _TEXT = 100, 50, 30, 10, 5


class InvalidCard(ValueError):
    """A card that cannot be used. `field` is a dotted path, `line` counts from 1, 0 where there is none."""

    def __init__(self, reason: str, *, field: str = "", line: int = 0) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.reason = reason
        self.field = field
        self.line = line


def parse_card(text: str) -> Card:
    """A card written in YAML or JSON. Raises `InvalidCard`, which quotes no value."""
    try:
        data = _yaml().load(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise InvalidCard(f"is not YAML: {getattr(error, 'problem', None) or 'it cannot be read'}",
                          line=mark.line + 1 if mark else 0) from None  # fmt: skip
    if not isinstance(data, dict):
        raise InvalidCard("should be a mapping", line=1)
    return card_of(data)


def card_of(data: Mapping[str, Any]) -> Card:
    """A card from its JSON. Raises `InvalidCard`."""
    try:
        return Card.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise InvalidCard(
            str(first["msg"]).removeprefix("Value error, "), field=".".join(str(part) for part in first["loc"])
        ) from None


@dataclass(frozen=True)
class Catalogue:
    """The shipped cards, and over them those of `folder`: a card of the same name takes the place of the shipped one.

    Nothing is read before it is asked for. Reading blocks, for some milliseconds once.
    """

    folder: Path | None = None
    more: Sequence[Card] = field(default=())
    """Cards from elsewhere, such as those that people keep; they take the place of all others."""

    def all(self) -> tuple[Card, ...]:
        """By name."""
        return tuple(card for _, card in sorted(self._cards.items()))

    def find(self, name: str) -> Card | None:
        return self._cards.get(name)

    def search(self, words: str) -> tuple[Card, ...]:
        """The cards in which every word is found, the best first; all, without words."""
        wanted = words.lower().split()
        scored = [(score, card) for card in self.all() if (score := _score(card, wanted)) > 0]
        return tuple(card for _, card in sorted(scored, key=lambda found: (-found[0], found[1].name)))

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What could not be used of the folder."""
        return self._folder[1]

    @cached_property
    def _cards(self) -> Mapping[str, Card]:
        return {card.name: card for cards in (shipped(), self._folder[0], self.more) for card in cards}

    @cached_property
    def _folder(self) -> tuple[tuple[Card, ...], tuple[Problem, ...]]:
        if self.folder is None or not self.folder.is_dir():
            return (), ()
        files = sorted(file for file in self.folder.iterdir() if file.suffix in _SUFFIXES)
        cards: list[Card] = []
        problems = [Problem(str(self.folder), 0, "", f"has more than {MOST} cards; the rest is left out")][
            : len(files) > MOST
        ]
        for file in files[:MOST]:
            try:
                cards.append(parse_card(read_text(file, MAX_BYTES)))
            except Unreadable as error:
                problems.append(Problem(str(file), error.line, "", error.reason))
            except InvalidCard as error:
                problems.append(Problem(str(file), error.line, error.field, error.reason))
        return tuple(cards), tuple(problems)


def cards_folder(document: Document, path: Path | None, state: Path) -> Path:
    """`cards` of the document, relative to its own folder; else `cards` in the state folder."""
    if document.cards is None:
        return state / "cards"
    return (path.absolute().parent if path is not None else Path.cwd()) / Path(document.cards).expanduser()


@cache
def shipped() -> tuple[Card, ...]:
    """The cards of the package. They are held valid by a test."""
    return tuple(parse_card(text) for text in _texts())


@lru_cache(256)
def shipped_for(package: str) -> tuple[Card, ...]:
    """Those that may name this package. Only they are parsed: servers of clients are looked up at each start."""
    return tuple(parse_card(text) for text in _texts() if package in text)


@cache
def _texts() -> tuple[str, ...]:
    folder = resources.files("toolgate") / "cards"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name)
    return tuple(file.read_text(encoding="utf-8") for file in files)


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.allow_duplicate_keys = False
    return yaml


def _score(card: Card, words: Iterable[str]) -> int:
    scores = [_worth(card, word) for word in words]
    return 1 if not scores else sum(scores) if all(scores) else 0


def _worth(card: Card, word: str) -> int:
    return max(_places(card, word), default=0)


def _places(card: Card, word: str) -> Iterator[int]:
    if word == card.name:
        yield 2 * _NAME
    if word in card.name:
        yield _NAME
    if word in card.title.lower():
        yield _TITLE
    if any(word in known.lower() for known in (*card.words, card.category)):
        yield _WORD
    if any(word in tool.lower() for tool in card.tools):
        yield _TOOL
    if word in card.description.lower():
        yield _TEXT
