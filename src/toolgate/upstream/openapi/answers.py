"""From the answer of an API to the result of a tool."""

import base64
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urljoin, urlsplit

import msgspec
from msgspec import Raw

from toolgate.pipeline.call import Reply
from toolgate.policy.arguments import ArgumentCheck
from toolgate.protocol.envelope import dump
from toolgate.upstream.openapi.bodies import is_json
from toolgate.upstream.openapi.operation import Operation
from toolgate.upstream.services.exchange import Answer, Exchange
from toolgate.upstream.services.problems import problem, words
from toolgate.upstream.services.results import failed, result, text

__all__ = ["NEXT", "answered"]

NEXT: Final = "toolgate/next"
"""In `_meta`: the arguments that another call takes to get the next page."""

_NEXT_LINK: Final = re.compile(r"""<([^<>]*)>[^,<]*;\s*rel\s*=\s*"?(?:[^",;]*\s)?next\b""", re.IGNORECASE)
_LINK: Final = 4_096  # bytes of a header that are looked at
_TEXTS: Final = ("+xml", "/xml", "/yaml", "+yaml", "/javascript", "/x-ndjson", "/graphql")


def answered(operation: Operation, answer: Answer, exchange: Exchange, promised: ArgumentCheck | None) -> Reply:
    """`promised` is what the tool says of its results; None where that is nothing."""
    what = f"{operation.method} {operation.path}"
    if not 200 <= answer.status < 300:
        return failed(problem(exchange, answer, what))
    if encoding := answer.headers.text(b"content-encoding").strip().lower().replace("identity", ""):
        return failed(f"{what} was answered in an encoding that was not asked for ({encoding[:40]}).")
    parsed, body = _json(answer, exchange) if is_json(answer.media_type) else (None, b"")
    if body:
        return _structured(operation, answer, exchange, promised, parsed, body)
    if promised is not None:
        said = exchange.redactor.text(words(answer)) or "The answer was empty."
        return failed(f"{what} was answered with {answer.media_type}, not the object that its description has.\n{said}")
    return _plain(operation, answer, exchange, what)


def _json(answer: Answer, exchange: Exchange) -> tuple[Any, bytes]:
    """Nothing where it is not JSON after all. Numbers stay as they were written: the bytes are what is passed on."""
    body = exchange.redactor.bytes(answer.body)
    try:
        str(body, "utf-8")
        return msgspec.json.decode(body), body
    except (msgspec.ValidationError, RecursionError):
        return None, body  # a number that no 64 bits hold, or too deep for us
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None, b""


def _structured(
    operation: Operation, answer: Answer, exchange: Exchange, promised: ArgumentCheck | None, parsed: Any, body: bytes
) -> Reply:
    said = body.decode()
    raw = Raw(body)
    is_object = isinstance(parsed, Mapping)
    if promised is not None and not (is_object and promised.fits(raw)):
        why = "; ".join(promised.complaints(raw)) if is_object else "it is no object"
        reason = f"The API did what it was asked, and its answer is not as its description has it ({why})"
        return failed(f"{reason}:\n{said}")
    content = [text(said)]
    following = _next(operation, answer)
    if following:
        shown = exchange.redactor.bytes(dump(following))
        content.append(text(f"There is a next page: call this again with these arguments changed: {shown.decode()}"))
        return result(content, raw if is_object else None, {NEXT: Raw(shown)})
    return result(content, raw if is_object else None)


def _plain(operation: Operation, answer: Answer, exchange: Exchange, what: str) -> Reply:
    media_type = answer.media_type
    if not answer.body:
        return result([text(f"{what} was answered {answer.status}, with nothing more to say.")])
    if is_json(media_type) or media_type.startswith("text/") or media_type.endswith(_TEXTS):
        return result([text(exchange.redactor.text(answer.body.decode(errors="replace")))])
    data = base64.b64encode(answer.body).decode()
    kind = media_type.partition("/")[0]
    if kind in {"image", "audio"}:
        return result([{"type": kind, "data": data, "mimeType": media_type}])
    uri = f"toolgate://{exchange.server}/{operation.name}"
    return result([{"type": "resource", "resource": {"uri": uri, "mimeType": media_type, "blob": data}}])


def _next(operation: Operation, answer: Answer) -> dict[str, Any]:
    """Out of a `Link` header (RFC 8288) that leads to the same operation: what changes of its arguments."""
    for link in answer.headers.all(b"link"):
        if (match := _NEXT_LINK.search(link[:_LINK].decode("latin-1"))) is None:
            continue
        here = f"{answer.request.origin}{answer.request.target}"
        there, before = urlsplit(urljoin(here, match[1])), urlsplit(here)
        if (there.netloc, there.path) != (before.netloc, before.path):
            continue
        known = {argument.wire: argument for argument in operation.arguments if argument.place == "query"}
        sent = dict(parse_qsl(before.query))
        changed = {name: value for name, value in parse_qsl(there.query) if sent.get(name) != value and name in known}
        return {
            known[name].name: int(value) if known[name].is_number and value.isdecimal() else value
            for name, value in changed.items()
        }
    return {}
