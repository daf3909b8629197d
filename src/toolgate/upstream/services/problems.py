"""What a web API says when it does not do what it was asked, in words that a model can act on."""

import re
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

import msgspec

from toolgate.protocol.envelope import dump
from toolgate.upstream.services.exchange import Answer, Exchange

__all__ = ["problem", "words"]

_LONGEST: Final = 2_000  # characters
_HEAD: Final = 4_000  # characters of a page that are looked at
_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_SPACE: Final = re.compile(r"\s+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def problem(exchange: Exchange, answer: Answer, what: str) -> str:
    """Why an answer is no success. `what` was asked; nothing secret is in what is said."""
    if answer.elsewhere:
        return (
            f"{what} was answered with a redirect to another origin, {answer.elsewhere}, which is not followed: "
            f"credentials would travel along. If the API has moved there, set that as the `url` of the server."
        )
    lines = [f"{what} was answered {_status(answer.status)}."]
    if answer.status in {401, 403}:
        lines.append(
            f"The credentials of server {exchange.server!r} (its `headers` or `auth`) are missing, wrong or not enough."
        )
    if wait := answer.headers.text(b"retry-after"):
        lines.append(f"Try again after: {wait[:80]}.")
    if said := words(answer):
        lines.append(said)
    return _CONTROL.sub("", exchange.redactor.text("\n".join(lines)))


def words(answer: Answer) -> str:
    """What the body says, cut to what anybody would read."""
    if not answer.body:
        return ""
    said = answer.body[: 16 * _LONGEST].decode(errors="replace")
    if answer.media_type == "text/html" or said.lstrip()[:1] == "<":
        title = _TITLE.search(said[:_HEAD])
        return f"It was a web page: {_SPACE.sub(' ', title[1]).strip()[:200]}" if title else "It was a web page."
    if "json" in answer.media_type:
        with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # as it stands then
            said = _of_json(msgspec.json.decode(answer.body))
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"


def _of_json(value: Any) -> str:
    """RFC 9457 has a title and a detail; what else there is may say which member was wrong."""
    if isinstance(value, Mapping) and isinstance(value.get("title"), str):
        said = ": ".join(str(value[key]) for key in ("title", "detail") if value.get(key))
        rest = {key: one for key, one in value.items() if key not in {"title", "detail", "status", "type"}}
        return f"{said}\n{dump(rest).decode()}" if rest else said
    return dump(value).decode()


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
