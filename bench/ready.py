"""Waiting for what others have to do: asking them again and again, since nothing tells us."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

from bench.child import Child, Unavailable

__all__ = ["until", "until_listening"]

_GLANCE = 0.01  # seconds


async def until(holds: Callable[[], Awaitable[bool]], what: str, within: float = 60.0, glance: float = _GLANCE) -> None:
    """Raises `Unavailable` where it does not hold in time."""
    try:
        async with asyncio.timeout(within):
            while not await holds():  # noqa: ASYNC110  # other processes do not set our events
                await asyncio.sleep(glance)
    except TimeoutError:
        raise Unavailable(f"waited {within:.0f} s for {what}") from None


async def until_listening(port: int, child: Child, within: float = 30.0) -> None:
    async def listening() -> bool:
        if child.process.returncode is not None:
            raise Unavailable(f"it ended with {child.process.returncode}: {child.tail()}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    await until(listening, f"port {port}: {child.tail()}", within)
