"""Each call leaves one line that says how it ended, and nothing of what was in it."""

import asyncio
import logging
from contextlib import suppress

import pytest
from msgspec import Raw

from toolgate.catalog.snapshot import Route, Snapshot
from toolgate.errors import ServerUnavailable
from toolgate.inbound.channel import QueueChannel
from toolgate.model.principal import LOCAL
from toolgate.pipeline.build import pipeline
from toolgate.pipeline.call import Call, Reply
from toolgate.pipeline.stage import Proceed
from toolgate.protocol.eras import Era


def a_call() -> Call:
    return Call(
        id="1",
        principal=LOCAL,
        method="tools/call",
        params={"name": Raw(b'"time__now"'), "arguments": Raw(b'{"password":"hunter2"}')},
        meta={},
        era=Era.MODERN,
        version="2026-07-28",
        route=Route("time", "now"),
        snapshot=Snapshot(0, {}),
        channel=QueueChannel(),
        timeout=1,
    )


async def succeed(call: Call) -> Reply:
    return Reply(b"{}")


async def refuse(call: Call) -> Reply:
    return Reply(b'{"code":1}', is_error=True)


async def be_down(call: Call) -> Reply:
    raise ServerUnavailable("down", server="time")


async def be_cancelled(call: Call) -> Reply:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("end", "outcome", "level"),
    [
        (succeed, "ok", "DEBUG"),
        (refuse, "error", "DEBUG"),
        (be_down, "server-unavailable", "WARNING"),
        (be_cancelled, "cancelled", "DEBUG"),
    ],
)
async def test_a_call_leaves_one_line(end: Proceed, outcome: str, level: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "toolgate.calls")
    with suppress(ServerUnavailable, asyncio.CancelledError):
        await pipeline(end)(a_call())
    [line] = caplog.records
    assert (line.levelname, line.getMessage()) == (level, f"tools/call time now: {outcome}")
    assert "hunter2" not in caplog.text


async def test_stages_run_in_their_order_around_the_end() -> None:
    told: list[str] = []

    def stage(name: str) -> object:
        async def run(call: Call, proceed: Proceed) -> Reply:
            told.append(f"{name} in")
            reply = await proceed(call)
            told.append(f"{name} out")
            return reply

        return run

    await pipeline(succeed, [stage("first"), stage("second")])(a_call())  # type: ignore[list-item]
    assert told == ["first in", "second in", "second out", "first out"]
