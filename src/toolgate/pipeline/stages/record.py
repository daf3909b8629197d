"""Each call leaves one line in the log."""

import asyncio
import logging
from time import perf_counter

from toolgate.errors import ToolgateError
from toolgate.pipeline.call import Call, Reply
from toolgate.pipeline.stage import Proceed

__all__ = ["record"]

log = logging.getLogger("toolgate.calls")


async def record(call: Call, proceed: Proceed) -> Reply:
    """Who called what, how it ended, and how long it took; never its arguments or its result."""
    started = perf_counter()
    outcome = "cancelled"
    level = logging.DEBUG
    try:
        reply = await proceed(call)
        outcome = "error" if reply.is_error else "ok"
    except asyncio.CancelledError:
        raise
    except ToolgateError as error:
        outcome, level = error.code, logging.WARNING
        raise
    finally:
        if log.isEnabledFor(level):
            log.log(
                level,
                "%s %s %s: %s",
                call.method,
                call.route.server,
                call.route.name,
                outcome,
                extra={
                    "principal": call.principal.id,
                    "server": call.route.server,
                    "outcome": outcome,
                    "ms": round((perf_counter() - started) * 1000, 2),
                },
            )
    return reply
