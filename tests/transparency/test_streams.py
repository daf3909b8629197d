"""What a server says before it answers, and what a client says before it is answered."""

import asyncio
from typing import Any

import pytest

from tests.exact import Number
from tests.peers import LEGACY, MODERN
from tests.transparency.offer import ODD
from tests.transparency.pair import DONE, Pair
from tests.transparency.scripted import META, Turn

pytestmark = pytest.mark.asyncio(loop_scope="module")

LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")


@pytest.mark.parametrize("token", ["", "mine", "1", Number("0"), Number("9007199254740993")], ids=repr)
async def test_progress_arrives_under_the_clients_token(pair: Pair, token: Any) -> None:
    reports = [
        {"progress": Number("0.10"), "total": Number("1e2"), "message": ODD["lines"], "x": ODD, "_meta": {"m": ODD}},
        {"progress": Number("1.0")},
    ]

    async def script(turn: Turn) -> str:
        for report in reports:
            await turn.tell("notifications/progress", {"progressToken": turn.token, **report})
        return DONE

    pair.server.script = script
    async with pair.open() as client:
        heard = await client.request("tools/call", {"name": "zebra", "_meta": {"progressToken": token}})
    assert heard.told("notifications/progress") == [{"progressToken": token, **report} for report in reports]


@pytest.mark.parametrize("level", ["debug", "warning", "emergency"])
async def test_log_messages_arrive_from_the_level_that_was_asked_for(pair: Pair, level: str) -> None:
    async def script(turn: Turn) -> str:
        for each in LEVELS:
            await turn.tell("notifications/message", {"level": each, "logger": "l", "data": ODD, "x": ODD})
        return DONE

    pair.server.script = script
    async with pair.open() as client:
        if pair.client_era == LEGACY:
            await client.request("logging/setLevel", {"level": level})
        meta = {f"{META}logLevel": level} if pair.client_era == MODERN else {}
        heard = await client.request("tools/call", {"name": "zebra", "_meta": meta})
    wanted = LEVELS[LEVELS.index(level) :]
    assert heard.told("notifications/message") == [
        {"level": each, "logger": "l", "data": ODD, "x": ODD} for each in wanted
    ]
    if pair.server.era == MODERN:
        call = await pair.server.until(lambda message: message.get("method") == "tools/call")
        assert call["params"]["_meta"][f"{META}logLevel"] == level


async def test_a_cancellation_reaches_the_server(pair: Pair) -> None:
    begun: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()

    async def script(turn: Turn) -> str:
        begun.set_result(turn)
        await asyncio.Event().wait()
        return DONE

    pair.server.script = script
    async with pair.open() as client, asyncio.timeout(20):
        call = asyncio.create_task(client.request("tools/call", {"name": "zebra"}))
        turn = await begun
        await client.cancel(call)
        await turn.cancelled.wait()
        await asyncio.gather(call, return_exceptions=True)
