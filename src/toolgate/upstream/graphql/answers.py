"""From what a GraphQL endpoint answers to the result of a tool (GraphQL, October 2021, 7.1 Response Format)."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw

from toolgate.pipeline.call import Reply
from toolgate.upstream.graphql.operation import Operation
from toolgate.upstream.services.exchange import Answer, Exchange
from toolgate.upstream.services.problems import problem, words
from toolgate.upstream.services.results import failed, result, text

__all__ = ["answered", "errors_in"]

_ERRORS: Final = 5
_LONGEST: Final = 500  # characters of an error
_DATA: Final = 2_000  # characters of what there is besides errors


class _Response(msgspec.Struct):
    data: Raw = Raw(b"null")
    errors: Raw = Raw(b"null")


_response: Final = msgspec.json.Decoder(_Response)


def answered(operation: Operation, answer: Answer, exchange: Exchange) -> Reply:
    """A field's value stands under its name, so that lists and texts are structured too."""
    body = exchange.redactor.bytes(answer.body)
    try:
        str(body, "utf-8")
        response = _response.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        response = None
    said = errors_in(response.errors) if response is not None else []
    if response is not None and said:
        return failed(_complaint(operation, said, bytes(response.data)))
    if not 200 <= answer.status < 300 or answer.elsewhere:
        return failed(problem(exchange, answer, operation.field_name))
    if response is None or bytes(response.data)[:1] != b"{":
        told = exchange.redactor.text(words(answer))
        return failed(f"{operation.field_name} was answered with what is no GraphQL response. {told}")
    return result([text(bytes(response.data).decode())], response.data)


def errors_in(raw: Raw) -> list[str]:
    """The messages, and where in the answer they belong."""
    try:
        errors = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    return [_one(error) for error in errors if error] if isinstance(errors, list) else []


def _one(error: Any) -> str:
    if not isinstance(error, Mapping):
        return str(error)[:_LONGEST]
    path = error.get("path")
    place = f" (at {'.'.join(map(str, path))})" if isinstance(path, list) and path else ""
    return f"{str(error.get('message', 'an error without a message'))[:_LONGEST]}{place}"


def _complaint(operation: Operation, said: list[str], data: bytes) -> str:
    lines = [f"{operation.field_name} failed:", *(f"- {one}" for one in said[:_ERRORS])]
    if len(said) > _ERRORS:
        lines.append(f"- and {len(said) - _ERRORS} more")
    if data[:1] == b"{":
        shown = data.decode()
        lines.append(f"What there is besides: {shown if len(shown) <= _DATA else shown[:_DATA] + '…'}")
    return "\n".join(lines)
