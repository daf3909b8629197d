"""One deadline for the whole of a call, the wait for a server that is still starting included."""

import asyncio

from toolgate.errors import DeadlineExceeded
from toolgate.pipeline.call import Call, Reply
from toolgate.pipeline.stage import Proceed

__all__ = ["deadline"]


async def deadline(call: Call, proceed: Proceed) -> Reply:
    """Cancels what is under way when the time is up; a link tells its server so. Raises `DeadlineExceeded`."""
    try:
        async with asyncio.timeout(call.timeout):
            return await proceed(call)
    except TimeoutError:
        raise DeadlineExceeded(
            f"server {call.route.server!r} did not answer {call.method} {call.route.name!r} "
            f"within {call.timeout:g} s",
            hint=f"raise servers.{call.route.server}.timeout or tool_timeouts if it needs longer",
            server=call.route.server,
            name=call.route.name,
            timeout=call.timeout,
        ) from None
