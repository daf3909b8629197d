"""A tool whose annotations have changed: its server refuses a call whose headers do not mirror what it wants to see
there, and has not looked at it, so it is made again as the tool reads now (2026-07-28, Streamable HTTP, Client
Behavior)."""

from typing import Final

from toolgate.catalog.snapshot import Route
from toolgate.model.tool import Kind
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol.eras import Era
from toolgate.protocol.results import error_code
from toolgate.upstream.base import Link
from toolgate.upstream.listing import read

__all__ = ["mirrored_anew"]

_HEADER_MISMATCH: Final = -32020
_PAGE: Final = 10.0  # seconds for a page of the list


async def mirrored_anew(link: Link, call: Call, reply: Reply) -> Call | None:
    """The call to make again; None where there is nothing to change."""
    if link.era is not Era.MODERN or call.method != "tools/call" or not reply.is_error:
        return None
    if error_code(reply.payload) != _HEADER_MISMATCH:
        return None
    catalogue = await read(call.route.server, link, frozenset({Kind.TOOLS}), None, _PAGE)
    route = call.route
    now = next((item.raw for item in catalogue.of(Kind.TOOLS) if item.name == route.name), route.raw)
    return call.with_(route=Route(route.server, route.name, now)) if now != route.raw else None
