"""Brings a modern client its answer: as JSON where nothing comes before it, as an event stream where something does."""

import asyncio
from contextlib import suppress
from typing import Final

from toolgate.inbound.channel import QueueChannel
from toolgate.inbound.exchange import Outcome
from toolgate.inbound.wire import EventStream, Head, Receive, Send, respond

__all__ = ["KEEP_ALIVE", "STALLED", "deliver", "disconnected"]

KEEP_ALIVE: Final = 15.0  # seconds of silence before a comment line is sent
STALLED: Final = 60.0  # seconds that a client may leave a full stream unread


async def deliver(
    work: "asyncio.Task[Outcome]", channel: QueueChannel, receive: Receive, send: Send, head: Head = ()
) -> None:
    """Run `work` to its end or until the client goes away, which cancels it.

    2026-07-28, Streamable HTTP, Cancellation: a closed response stream is the cancellation.
    """
    gone = asyncio.create_task(disconnected(receive))
    work.add_done_callback(channel.wake)
    gone.add_done_callback(channel.wake)
    stream = EventStream(send, head)
    try:
        while not work.done() and not gone.done():
            heard = await channel.woken(KEEP_ALIVE)
            await _pass_on(stream, channel, heard=heard)
        if work.done():
            await _finish(stream, channel, send, work, head)
    except (TimeoutError, OSError):
        pass  # the client stopped reading or its connection broke: there is nobody to tell
    finally:
        for task in (work, gone):
            task.cancel()
        with suppress(asyncio.CancelledError):
            await work
        with suppress(asyncio.CancelledError):
            await gone


async def _pass_on(stream: EventStream, channel: QueueChannel, *, heard: bool) -> None:
    """What is queued, or a sign of life; raises `TimeoutError` for a client that does not read."""
    async with asyncio.timeout(STALLED):
        if not heard:
            await stream.comment()
        for message in channel.taken():
            await stream.message(message)


async def _finish(
    stream: EventStream, channel: QueueChannel, send: Send, work: "asyncio.Task[Outcome]", head: Head
) -> None:
    if work.cancelled():
        await stream.end()
        return
    outcome = work.result()
    await _pass_on(stream, channel, heard=True)
    if not stream.begun:
        await respond(send, outcome.status, outcome.body, head)
        return
    async with asyncio.timeout(STALLED):
        await stream.message(outcome.body)
        await stream.end()


async def disconnected(receive: Receive) -> None:
    """Returns when the client has gone. Only to be used once its request was read whole."""
    while (await receive())["type"] != "http.disconnect":
        pass
