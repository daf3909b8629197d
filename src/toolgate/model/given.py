"""What may be answered to an input of a card."""

import re
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import StringConstraints, TypeAdapter, ValidationError
from pydantic_core import SchemaError

from toolgate.model.secretref import Template

__all__ = ["LONGEST", "Kind", "flaw_of", "is_pattern"]

LONGEST: Final = 8192  # characters of an answer

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")
_ABSOLUTE: Final = re.compile(r"/|~(?:/|$)|[A-Za-z]:[\\/]|\\\\")
_URL_BREAKERS: Final = re.compile(r"[\s\\<>\"{}|^`#]")


class Kind(StrEnum):
    """What is asked for."""

    TEXT = "text"
    SECRET = "secret"  # noqa: S105  # the word, not one
    URL = "url"
    PATH = "path"
    CHOICE = "choice"


def flaw_of(kind: Kind, value: str, *, pattern: str | None, choices: Sequence[str]) -> str | None:
    """Why this cannot be the answer; None where it can. Whether a path exists is for those to see who may look."""
    if len(value) > LONGEST:
        return f"is longer than {LONGEST} characters"
    if _CONTROL.search(value):
        return "has a control character"
    if kind is Kind.SECRET:
        return _of_secret(value)
    if "${" in value:
        # It would be looked up when the server starts, and sent to wherever this input goes.
        return "has a ${…} in it, which goes where a secret is asked for"
    reason = {Kind.URL: _of_url, Kind.PATH: _of_path}.get(kind, _of_text)(value)
    if reason is None and kind is Kind.CHOICE and value not in choices:
        return f"should be one of {', '.join(choices)}"
    if reason is None and pattern is not None and not _fits(pattern, value):
        return f"should fit {pattern}"
    return reason


def is_pattern(pattern: str) -> bool:
    try:
        _matcher(pattern)
    except SchemaError:
        return False
    return True


def _of_secret(value: str) -> str | None:
    references = Template(value).references
    if len(references) != 1 or references[0].default is not None or str(references[0]) != value:
        return "is a secret: give a reference to it, such as ${NAME} or ${vault:NAME}"
    return None


def _of_text(value: str) -> str | None:
    return None if value.strip() else "is blank"


def _of_url(value: str) -> str | None:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port or an IPv6 address that is none
        usable = False
    if not usable or _URL_BREAKERS.search(value):
        return "should be an http:// or https:// address"
    return "has a user or a password in it" if "@" in urlsplit(value).netloc else None


def _of_path(value: str) -> str | None:
    if not _ABSOLUTE.match(value):
        return "should be an absolute path, or begin with ~/"
    return "has .. in it" if ".." in re.split(r"[\\/]", value) else None


def _fits(pattern: str, value: str) -> bool:
    try:
        _matcher(pattern).validate_python(value)
    except ValidationError:
        return False
    return True


@lru_cache(256)
def _matcher(pattern: str) -> TypeAdapter[str]:
    """By the engine of pydantic-core, which takes linear time whatever the pattern: people write cards too."""
    return TypeAdapter(Annotated[str, StringConstraints(pattern=rf"\A(?:{pattern})\z")])
