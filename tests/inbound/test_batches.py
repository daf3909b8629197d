"""Batches of revision 2025-03-26, and their refusal everywhere else."""

import asyncio
import json
from typing import Any

import pytest

from tests.inbound.conftest import MODERN, Front, Stalled
from tests.inbound.test_stdio import Client
from toolgate.inbound.stdio import Relay
from toolgate.pipeline.call import Call, Reply

VERSION = "2025-03-26"


def request(key: Any, method: str = "ping", params: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": key, "method": method, "params": params or {}}


def call(key: Any, name: str = "one__look") -> dict[str, Any]:
    return request(key, "tools/call", {"name": name, "arguments": {"key": key}})


INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


async def test_each_message_is_handled_as_if_alone_and_the_responses_come_in_one_array(front: Front) -> None:
    session = await front.initialize(VERSION)
    batch = [
        request("a"),
        INITIALIZED,
        call(2),
        call(3, "nobody__knows"),
        request(4, "logging/setLevel", {"level": "x"}),
    ]
    async with front.post(batch, session) as answer:
        assert (answer.status, answer.content_type) == (200, "application/json")
        responses = await answer.json()
    assert [response["id"] for response in responses] == ["a", 2, 3, 4]
    assert responses[0]["result"] == {}
    assert responses[1]["result"]["name"] == "look"
    assert [response["error"]["code"] for response in responses[2:]] == [-32602, -32602]


async def test_a_batch_without_requests_is_accepted_without_an_answer(front: Front) -> None:
    session = await front.initialize(VERSION)
    async with front.post([INITIALIZED, {"jsonrpc": "2.0", "id": "q", "result": {}}], session) as answer:
        assert (answer.status, await answer.read()) == (202, b"")


async def test_what_comes_before_a_response_makes_it_a_stream(front: Front) -> None:
    async def progress(call: Call) -> Reply:
        call.channel.send(b'{"jsonrpc":"2.0","method":"notifications/progress","params":{}}')
        await asyncio.sleep(0)
        return Reply(b"{}")

    front.road = progress
    session = await front.initialize(VERSION)
    async with front.post([call(1), request(2)], session) as answer:
        assert answer.content_type == "text/event-stream"
        lines = [json.loads(line[6:]) async for line in answer.content if line.startswith(b"data: ")]
    assert [line.get("method", line.get("id")) for line in lines] == ["notifications/progress", 1, 2]


async def test_a_question_in_a_batch_is_asked_and_answered(front: Front) -> None:
    async def asks(call: Call) -> Reply:
        return await call.channel.ask("roots/list", None)

    front.road = asks
    session = await front.initialize(VERSION)
    async with front.post([call(1)], session) as answer:
        lines = [line async for line in _data(answer.content, front, session)]
    assert lines[-1] == {"jsonrpc": "2.0", "id": 1, "result": {"roots": []}}


async def _data(content: Any, front: Front, session: dict[str, str]) -> Any:
    async for line in content:
        if line.startswith(b"data: "):
            message = json.loads(line[6:])
            yield message
            if message.get("method") == "roots/list":
                reply = {"jsonrpc": "2.0", "id": message["id"], "result": {"roots": []}}
                async with front.post([reply], session) as answer:
                    assert answer.status == 202


async def test_at_most_sixteen_requests_of_a_batch_are_under_way(front: Front) -> None:
    under_way, most = 0, 0

    async def counting(_: Call) -> Reply:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return Reply(b"{}")

    front.road = counting
    session = await front.initialize(VERSION)
    async with front.post([call(key) for key in range(60)], session) as answer:
        assert [response["id"] for response in await answer.json()] == list(range(60))
    assert most == 16


async def test_one_request_of_a_batch_can_be_cancelled(front: Front) -> None:
    front.road = stalled = Stalled()
    session = await front.initialize(VERSION)

    async def ask() -> Any:
        async with front.post([call("a"), request("b")], session) as answer:
            return await answer.json()

    asking = asyncio.create_task(ask())
    await asyncio.wait_for(stalled.started.wait(), 10)
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "a"}}
    async with front.post(cancel, session) as answer:
        assert answer.status == 202
    assert [response["id"] for response in await asking] == ["b"]


async def test_a_client_that_leaves_cancels_its_batch(front: Front) -> None:
    front.road = stalled = Stalled()
    session = await front.initialize(VERSION)

    async def ask() -> None:
        async with front.post([call("a")], session):
            pass

    asking = asyncio.create_task(ask())
    await asyncio.wait_for(stalled.started.wait(), 10)
    asking.cancel()
    await asyncio.wait_for(stalled.cancelled.wait(), 10)


async def test_messages_that_make_no_sense_have_their_own_errors(front: Front) -> None:
    session = await front.initialize(VERSION)
    twice = [1, {"jsonrpc": "1.0", "id": 1, "method": "ping"}, request(7), call(7), request(8, "initialize")]
    async with front.post(twice, session) as answer:
        responses = await answer.json()
    assert [response["id"] for response in responses] == [None, None, 7, 7, 8]
    assert [response.get("error", {}).get("code") for response in responses] == [-32600, -32600, None, -32600, -32600]


@pytest.mark.parametrize("body", [[], [INITIALIZED] * 101, b"[", b"[1,", b"[{}\xff]"])
async def test_a_batch_that_is_empty_too_long_or_broken_is_refused_as_a_whole(front: Front, body: Any) -> None:
    session = await front.initialize(VERSION)
    async with front.post(body, session) as answer:
        assert answer.status == 400
        error = (await answer.json())["error"]
    assert error["code"] == (-32600 if isinstance(body, list) else -32700)


@pytest.mark.parametrize("version", ["2024-11-05", "2025-06-18", "2025-11-25"])
async def test_other_revisions_have_no_batches(front: Front, version: str) -> None:
    session = await front.initialize(version)
    async with front.post([request(1)], session) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (400, -32600)


async def test_a_modern_batch_is_refused(front: Front) -> None:
    async with front.post([request(1)], {"MCP-Protocol-Version": MODERN}) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (400, -32600)


async def test_over_stdio_a_batch_is_one_line_and_so_is_its_answer(front: Front) -> None:
    client = Client()
    relay = asyncio.create_task(Relay(front.http, front.url + "/mcp", {}, client).run())
    client.incoming.put_nowait(json.dumps([request(1)]).encode() + b"\n")
    assert (await client.hear())["error"]["code"] == -32600
    params = {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    client.say(id=0, method="initialize", params=params)
    await client.hear()
    client.incoming.put_nowait(json.dumps([request("a"), INITIALIZED, call("b")]).encode() + b"\n")
    assert [response["id"] for response in await client.hear()] == ["a", "b"]
    client.incoming.put_nowait(json.dumps([INITIALIZED]).encode() + b"\n")
    client.say(id="c", method="ping")
    assert (await client.hear())["id"] == "c"
    client.incoming.put_nowait(b"")
    await asyncio.wait_for(relay, 10)
