"""Calls and replies on their way between a client and a link of another era."""

from typing import Final

from toolgate.pipeline.call import Call, Reply
from toolgate.protocol.envelope import dump
from toolgate.protocol.eras import Era
from toolgate.protocol.results import adapt_error, adapt_result
from toolgate.upstream.base import Link

__all__ = ["AT_ONCE", "RESULT_TYPE", "crossed", "left_of"]

AT_ONCE: Final = 0.001  # seconds
RESULT_TYPE: Final = b'"resultType"'


def left_of(call: Call, waited: float) -> Call:
    """The call with what is left of its time."""
    return call.with_(timeout=max(call.timeout - waited, AT_ONCE))


def crossed(reply: Reply, link: Link, call: Call) -> Reply:
    """The reply of a link in the era of the call. Raises `EraMismatch`."""
    if reply.flow is not None:
        return reply
    if link.era is call.era and (reply.is_error or call.era is Era.LEGACY or RESULT_TYPE in reply.payload):
        return reply
    server = call.route.server
    if reply.is_error:
        return Reply(adapt_error(reply.payload, link=link.era, client=call.era), is_error=True)
    info = dump(link.catalogue_head.server_info) if link.catalogue_head.server_info else b""
    return Reply(
        adapt_result(reply.payload, call.method, link=link.era, client=call.era, server=server, server_info=info)
    )
