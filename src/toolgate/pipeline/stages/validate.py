"""Do the arguments of a tool fit what the tool says that it takes."""

import logging
from collections.abc import Awaitable
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from toolgate.catalog.snapshot import Route
from toolgate.errors import InvalidParams
from toolgate.pipeline.call import Call, Reply
from toolgate.pipeline.stage import Proceed
from toolgate.policy.arguments import ArgumentCheck, TooComplex, compile_check
from toolgate.protocol.envelope import dump
from toolgate.protocol.eras import Era

__all__ = ["check_of", "validate"]

_MEMO: Final = "validate"

_log = logging.getLogger(__name__)


class _Tool(msgspec.Struct):
    inputSchema: Raw | UnsetType = UNSET  # noqa: N815  # its name in MCP


_tool: Final = msgspec.json.Decoder(_Tool)


def validate(call: Call, proceed: Proceed) -> Awaitable[Reply]:
    """Arguments that do not fit are answered with a result that says `isError`, so that a model can correct them
    (2025-11-25 and 2026-07-28, Tools, Error Handling; revisions before have "invalid input data" there). Raises
    `InvalidParams` for arguments that are no object, which is a malformed request."""
    if call.method == "tools/call":
        check = check_of(call.route)
        if check is not None and not check.fits(call.params.get("arguments")):
            return _refused(call, check)
    return proceed(call)


def check_of(route: Route) -> ArgumentCheck | None:
    """What the arguments of a tool are held against; None where all are let pass."""
    try:
        known: ArgumentCheck | None = route.memo[_MEMO]
    except KeyError:
        known = route.memo[_MEMO] = _check(route)
    return known


def _check(route: Route) -> ArgumentCheck | None:
    """Once for each tool of a catalogue; what stands in the log then says why a tool's calls are not checked."""
    try:
        schema = _tool.decode(route.raw).inputSchema if route.raw else UNSET
        return None if schema is UNSET else compile_check(schema)
    except (TooComplex, msgspec.DecodeError) as error:
        _log.warning(
            "calls of %s of server %s are passed on unchecked; its inputSchema cannot be used: %s",
            route.name,
            route.server,
            error,
        )
        return None


async def _refused(call: Call, check: ArgumentCheck) -> Reply:
    arguments = call.params.get("arguments")
    if arguments is not None and bytes(arguments)[:1] not in {b"{", b"n"}:
        raise InvalidParams("arguments must be an object")
    complaints = "\n".join(f"- {complaint}" for complaint in check.complaints(arguments))
    name = msgspec.json.decode(call.params["name"]) if "name" in call.params else call.route.name
    text = f"The arguments do not fit the inputSchema of {name}, so it was not called:\n{complaints}"
    result: dict[str, Any] = {"content": [{"type": "text", "text": text}], "isError": True}
    if call.era is Era.MODERN:
        result = {"resultType": "complete", **result}
    return Reply(dump(result))
