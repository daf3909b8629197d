"""A card: what a server is installed from. It says what it asks for, and what becomes of the answers."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Any, Final, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from toolgate.model.fill import Filler, Places, placeholders
from toolgate.model.given import Kind, flaw_of, is_pattern

__all__ = ["Card", "Category", "Given", "Input", "InvalidInputs", "Kind", "Package", "Problem", "Tried"]

Given = Mapping[str, str | Sequence[str]]
"""The answers: text, or several for an input that takes several."""

_NAME: Final = r"[a-z0-9][a-z0-9._-]{0,99}"
_MOST: Final = 64  # answers to one input that takes several
_HTTPS: Final = re.compile(r"https://[^\s/]+\.[^\s]+")


class Category(StrEnum):
    """Where a card stands in the catalogue."""

    CODE = "code"
    DATA = "data"
    FILES = "files"
    KNOWLEDGE = "knowledge"
    MODELS = "models"
    OPERATIONS = "operations"
    SALES = "sales"
    TALK = "talk"
    WEB = "web"
    WORK = "work"
    OWN = "own"
    """Servers that people bring themselves."""


class Problem(NamedTuple):
    """What is wrong with an answer. It never quotes the answer, which may be a secret in the wrong place."""

    input: str
    reason: str


class InvalidInputs(ValueError):
    """`problems` says which answers cannot be used, and why."""

    def __init__(self, card: str, problems: Sequence[Problem]) -> None:
        super().__init__(f"{card}: " + "; ".join(f"{problem.input} {problem.reason}" for problem in problems))
        self.problems = tuple(problems)


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True, populate_by_name=True,
        serialize_by_alias=True,
    )  # fmt: skip


class Input(_Part):
    """One thing that a card asks for."""

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")
    """What stands between the braces of `{{name}}`."""
    title: str = Field(default="", max_length=100)
    """What a form shows; the name where there is none."""
    kind: Kind = Kind.TEXT
    """`secret` is given as a reference such as ${NAME}, and written nowhere else."""
    required: bool = True
    """Without an answer to one that is not, what it stands in is left out."""
    several: bool = False
    """Takes a list; the argument that it stands in is repeated."""
    pattern: str | None = Field(default=None, max_length=500)
    """A regular expression that the whole answer fits; of a secret, nothing is known before it is used."""
    help: str = Field(default="", max_length=1000)
    """What to answer."""
    where: str = Field(default="", max_length=500)
    """Where to get it: an address, or the way through menus."""
    choices: tuple[str, ...] = ()
    """What may be chosen, with kind `choice`."""
    default: str | None = None
    """The answer where none is given."""
    example: str = ""
    """An answer that would do."""
    option: bool = False
    """May begin with `-`, and so be an option of the program."""

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        if value is not None and not is_pattern(value):
            raise ValueError("is not a regular expression (look-around and back-references are not taken)")
        return value

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.kind is Kind.CHOICE) != bool(self.choices):
            raise ValueError("`choices` go with kind `choice`, and it needs them")
        if self.kind is Kind.SECRET and (self.default or self.example):
            raise ValueError("a secret has no default and no example")
        for what, text in (("default", self.default), ("example", self.example)):
            if text and (reason := self.flaw(text)):
                raise ValueError(f"`{what}` {reason}")
        return self

    @property
    def label(self) -> str:
        return self.title or self.name

    @property
    def secret(self) -> bool:
        return self.kind is Kind.SECRET

    def flaw(self, value: str) -> str | None:
        """Why an answer cannot be used; None where it can."""
        if value.startswith("-") and not self.option:
            return "begins with -, which a program would take for an option"
        return flaw_of(self.kind, value, pattern=self.pattern, choices=self.choices)


class Package(_Part):
    """Where a server comes from. Entries of other sources that start the same package get the card's profile."""

    registry: Literal["npm", "pypi", "oci"]
    """Whose names these are."""
    name: str = Field(min_length=1, max_length=200)
    """The package, without a version."""
    sandbox: Mapping[str, Any] | None = None
    """What it may use and reach, where the card itself does not start it."""


class Tried(_Part):
    """How far the card was tried: `installed`, `listed` (it started and listed these tools), or `contract` (what it
    answers to whom it does not know, or what its vendor publishes)."""

    how: Literal["installed", "listed", "contract", "none"]
    on: date
    """The day."""
    version: str = ""
    """The version that was tried."""
    note: str = ""
    """What could not be tried, and why."""


class Card(_Part):
    """`server` is an entry of `servers` in toolgate.yaml, with `{{input}}` where answers go."""

    name: str = Field(pattern=f"^{_NAME}$")
    """What it is called: `toolgate connect NAME`."""
    title: str = Field(min_length=1, max_length=100)
    """The name that people know."""
    description: str = Field(min_length=1, max_length=1000)
    """One sentence."""
    icon: str = Field(default="", max_length=200, pattern=r"^([a-z0-9-]*|https://[^\s<>\"']+)$")
    """A name in the icon set of the console, or an https:// address."""
    category: Category
    """Where it stands in the catalogue."""
    docs: str = ""
    """The address of its vendor's page."""
    words: tuple[str, ...] = ()
    """What else people search it by."""
    packages: tuple[Package, ...] = ()
    """What it starts, and older names of the same."""
    sign_in: Literal["none", "key", "oauth"] = Field(default="none", alias="sign-in")
    """How its vendor knows who asks: `oauth` needs a person at a browser once."""
    scopes: tuple[str, ...] = ()
    """What the key, or the person who signs in, must be allowed."""
    inputs: tuple[Input, ...] = ()
    """What it asks for, in the order of the form."""
    server: Mapping[str, Any]
    """How it is started or reached."""
    tools: tuple[str, ...] = ()
    """The tools that it is expected to have; none where nobody knows before it is asked."""
    tried: Tried | None = None
    """How far it was tried."""

    @field_validator("docs")
    @classmethod
    def _is_https(cls, value: str) -> str:
        if value and not _HTTPS.fullmatch(value):
            raise ValueError("should be an https:// address")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        names = [entry.name for entry in self.inputs]
        if len(set(names)) != len(names):
            raise ValueError("two inputs have one name")
        asked = {name for name, _ in placeholders(self.server)}
        if unknown := sorted(asked - set(names)):
            raise ValueError(f"`server` has {{{{{unknown[0]}}}}}, and no input is called so")
        if unused := sorted(set(names) - asked):
            raise ValueError(f"the input `{unused[0]}` stands nowhere in `server`")
        places = Places(self.server)
        if places.malformed:
            raise ValueError("`server` has {{ without a name of an input, without }}, or behind a $")
        if exposed := sorted({entry.name for entry in self.inputs if entry.secret} & places.visible):
            raise ValueError(f"the secret `{exposed[0]}` may stand in values of env and headers, and in url, alone")
        if single := sorted({entry.name for entry in self.inputs if entry.several} - places.repeatable):
            raise ValueError(f"`{single[0]}` takes several answers, and stands where one fits")
        return self

    @property
    def transport(self) -> str:
        """`stdio`, `http`, `openapi` or `graphql`."""
        return next((kind for kind in ("openapi", "graphql") if kind in self.server), None) or (
            "stdio" if "command" in self.server else "http"
        )

    def input(self, name: str) -> Input | None:
        return next((entry for entry in self.inputs if entry.name == name), None)

    def missing(self, values: Given) -> tuple[Input, ...]:
        """The inputs that need an answer and have none."""
        return tuple(entry for entry in self.inputs if entry.required and not self._answers(entry, values))

    def problems(self, values: Given) -> list[Problem]:
        """All that is wrong with the answers; nothing where `filled` takes them."""
        return [*self._unknown(values), *(problem for entry in self.inputs for problem in self._flaws(entry, values))]

    def filled(self, values: Given, *, home: str = "") -> dict[str, Any]:
        """The entry for `servers`, with the answers in it. An answer is never split, nor searched for placeholders.

        `home` is what `~` at the beginning of a path stands for; it stays where none is given. Raises `InvalidInputs`.
        """
        if problems := self.problems(values):
            raise InvalidInputs(self.name, problems)
        return Filler({entry.name: self._texts(entry, values, home) for entry in self.inputs}).fill(self.server)

    def to_json(self) -> dict[str, Any]:
        """What `Card.model_validate` takes."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def _unknown(self, values: Given) -> Iterator[Problem]:
        known = {entry.name for entry in self.inputs}
        asks = f"it asks for {', '.join(entry.name for entry in self.inputs)}" if known else "it asks for nothing"
        yield from (Problem(name, f"is not asked for; {asks}") for name in values if name not in known)

    def _flaws(self, entry: Input, values: Given) -> Iterator[Problem]:
        answers = self._answers(entry, values)
        if not answers and entry.required:
            yield Problem(entry.name, "is missing")
        if len(answers) > (_MOST if entry.several else 1):
            yield Problem(entry.name, f"has more than {_MOST} values" if entry.several else "takes one value")
        reasons = (entry.flaw(answer) or self._astray(entry, answer) for answer in answers)
        yield from (Problem(entry.name, reason) for reason in dict.fromkeys(reasons) if reason)

    def _astray(self, entry: Input, answer: str) -> str | None:
        """What only the place of an answer makes wrong."""
        places = Places(self.server)
        if answer.endswith("$") and entry.name in places.led_on:
            return "ends with $"
        inside = not answer.strip(".") and entry.name in places.inside_addresses
        return "would lead to another place of the address" if inside else None

    @staticmethod
    def _answers(entry: Input, values: Given) -> tuple[str, ...]:
        given = values.get(entry.name)
        texts = (given,) if isinstance(given, str) else tuple(given or ())
        return tuple(text for text in texts if text) or ((entry.default,) if entry.default else ())

    def _texts(self, entry: Input, values: Given, home: str) -> tuple[str, ...]:
        answers = self._answers(entry, values)
        if entry.kind is Kind.PATH and home:
            return tuple(home + answer[1:] if answer.startswith("~") else answer for answer in answers)
        return answers
