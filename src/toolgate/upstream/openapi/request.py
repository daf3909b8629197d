"""From the arguments of a call to the request that it is."""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec
from msgspec import Raw

from toolgate.upstream.openapi import styles
from toolgate.upstream.openapi.encoded import encoded
from toolgate.upstream.openapi.operation import Argument, Operation
from toolgate.upstream.openapi.parameters import BODY
from toolgate.upstream.openapi.security import Signature
from toolgate.upstream.openapi.styles import BadValue
from toolgate.upstream.services.exchange import Request

__all__ = ["BadArgument", "build"]

_TEMPLATE: Final = re.compile(r"\{([^{}]*)\}")
_ACCEPT: Final = ("Accept", "application/json, */*;q=0.5")
_PLAIN: Final = "/:@!$&'()*+,;=~%"


Given = tuple[Argument, Any]
"""An argument and its value."""


class BadArgument(ValueError):
    """Arguments that no request is made of. The message is for a model to read."""


def build(operation: Operation, given: Mapping[str, Raw], headers: Mapping[str, str], signature: Signature) -> Request:
    """`headers` are the definition's, and count before all others but the type of a body. Raises `BadArgument`."""
    arguments = _decoded(operation, given)
    body, media_type = _body(operation, given)
    own = {name: value for name, value in headers.items() if body is None or name.lower() != "content-type"}
    lines = [_ACCEPT, *((argument.wire, _written(argument, value)[0]) for argument, value in arguments["header"])]
    if body is not None:
        lines.append(("Content-Type", media_type))
    lines.extend(signature.headers)
    if cookies := _unsigned(arguments["cookie"], signature.cookies):
        before = [value for name, value in own.items() if name.lower() == "cookie"]
        own = {name: value for name, value in own.items() if name.lower() != "cookie"}
        lines.append(("Cookie", "; ".join([*before, *cookies])))
    known = {name.lower() for name in own}
    lines = [(name, value) for name, value in lines if name.lower() not in known]
    target = _path(operation, arguments["path"])
    pairs = _unsigned(arguments["query"], signature.query)
    if operation.base.raw_query_string:
        pairs = [operation.base.raw_query_string, *pairs]
    target = f"{target}?{'&'.join(pairs)}" if pairs else target
    return Request(operation.method, operation.base.origin(), target, (*lines, *own.items()), body)


def _body(operation: Operation, given: Mapping[str, Raw]) -> tuple[bytes | None, str]:
    if operation.body is None:
        return None, ""
    try:
        return encoded(operation.body, given.get(BODY))
    except BadValue as reason:
        raise BadArgument(f"`{BODY}` {reason}") from None


def _decoded(operation: Operation, given: Mapping[str, Raw]) -> Mapping[str, list[Given]]:
    """By their places. Null is the same as nothing: clients write it for what they leave out."""
    found: dict[str, list[Given]] = {"path": [], "query": [], "header": [], "cookie": []}
    for argument in operation.arguments:
        raw = given.get(argument.name)
        value = msgspec.json.decode(raw) if raw is not None else None
        if value is not None:
            found[argument.place].append((argument, bytes(raw or b"").decode() if argument.is_json else value))
        elif argument.place == "path":
            raise BadArgument(f"`{argument.name}` is missing")
    return found


def _path(operation: Operation, arguments: list[Given]) -> str:
    values = {argument.wire: (argument, value) for argument, value in arguments}

    def fill(match: re.Match[str]) -> str:
        argument, value = values[match[1]]
        [text] = _written(argument, value)
        if not text:
            raise BadArgument(f"`{argument.name}` is empty, and would lead to another path")
        return text

    pieces = _TEMPLATE.split(operation.path)
    fixed = [quote(piece, safe=_PLAIN) if at % 2 == 0 else f"{{{piece}}}" for at, piece in enumerate(pieces)]
    try:
        return styles.checked_path(operation.base.raw_path.rstrip("/") + _TEMPLATE.sub(fill, "".join(fixed)))
    except BadValue as reason:
        raise BadArgument(f"the arguments {reason}") from None


def _unsigned(arguments: list[Given], signed: tuple[str, ...]) -> list[str]:
    """The pairs of the arguments, but for what the definition itself signs in with; and that."""
    names = {pair.partition("=")[0] for pair in signed}
    pairs = [pair for argument, value in arguments for pair in _written(argument, value)]
    return [*(pair for pair in pairs if pair.partition("=")[0] not in names), *signed]


def _written(argument: Argument, value: Any) -> list[str]:
    try:
        if argument.place == "path":
            return [styles.path(argument.wire, value, argument.style)]
        if argument.place == "header":
            return [styles.header(value, argument.style)]
        return list(styles.query(argument.wire, value, argument.style))
    except BadValue as reason:
        raise BadArgument(f"`{argument.name}` {reason}") from None
