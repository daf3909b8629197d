"""Updates of resources reach the sessions and streams that asked, under the URIs that they used."""

import asyncio
import json
from typing import Any

import pytest

from tests.inbound.conftest import Front, modern_meta
from tests.inbound.test_legacy import Stream, request

PARAMS = b'{"uri":"t://a","extra":1,"_meta":{"io.modelcontextprotocol/subscriptionId":9,"k":1}}'


async def subscribe(front: Front, session: dict[str, str], uri: str, verb: str = "subscribe") -> Any:
    async with front.post(request(f"resources/{verb}", {"uri": uri}), session) as answer:
        return await answer.json()


async def test_a_session_hears_of_what_it_subscribed_to_until_it_unsubscribes(front: Front) -> None:
    session = await front.initialize()
    assert (await subscribe(front, session, "t://a"))["result"] == {}
    assert (await subscribe(front, session, "t://a"))["result"] == {}, "twice is once"
    stream = Stream(front, session)
    front.servers.update("one", "t://a", PARAMS)
    updated = await stream.next()
    assert updated["method"] == "notifications/resources/updated"
    assert updated["params"] == {"uri": "t://a", "extra": 1, "_meta": {"k": 1}}
    assert (await subscribe(front, session, "t://a", "unsubscribe"))["result"] == {}
    assert front.servers.heard["one", "t://a"] == []
    stream.task.cancel()


async def test_what_a_client_tells_beside_the_uri_is_told_to_the_server(front: Front) -> None:
    session = await front.initialize()
    meta = {"progressToken": 1, "a/b": [1], "io.modelcontextprotocol/logLevel": "info"}
    asked: list[dict[str, Any]] = [
        {"uri": "t://a", "since": 10**20, "_meta": meta},
        {"uri": "t://b/y", "_meta": {"progressToken": 1}},
    ]
    for params in asked:
        async with front.post(request("resources/subscribe", params), session) as answer:
            assert (await answer.json())["result"] == {}
    assert [json.loads(told) for told in front.servers.told] == [{"since": 10**20, "_meta": {"a/b": [1]}}, {}]


async def test_what_changed_before_the_stream_was_open_is_heard_when_it_is(front: Front) -> None:
    session = await front.initialize()
    await subscribe(front, session, "t://a")
    front.servers.update("one", "t://a", PARAMS)
    stream = Stream(front, session)
    assert (await stream.next())["params"]["uri"] == "t://a"
    stream.task.cancel()


async def test_a_resource_under_an_address_is_told_under_that_address(front: Front) -> None:
    session = await front.initialize()
    await subscribe(front, session, "toolgate://two/t://deep")
    stream = Stream(front, session)
    front.servers.heard["two", "t://deep"][0]("t://deep/er", b'{"uri":"t://deep/er"}')
    assert (await stream.next())["params"]["uri"] == "toolgate://two/t://deep/er"
    stream.task.cancel()


async def test_a_refusal_is_the_servers_own(front: Front) -> None:
    session = await front.initialize()
    assert (await subscribe(front, session, "toolgate://one/x:1"))["error"]["code"] == -32002
    assert (await subscribe(front, session, "nobody:knows"))["error"]["code"] == -32602


async def test_what_an_ended_session_wanted_is_forgotten(front: Front) -> None:
    session = await front.initialize()
    await subscribe(front, session, "t://a")
    async with front.http.delete(front.url + "/mcp", headers=session):
        pass
    await subscribe(front, await front.initialize(), "t://b/y")
    assert front.servers.heard["one", "t://a"] == []


async def test_a_listen_stream_is_told_which_resources_are_honoured_and_hears_of_those(front: Front) -> None:
    events: asyncio.Queue[Any] = asyncio.Queue()

    async def listen() -> None:
        wanted = {"resourceSubscriptions": ["t://a", "toolgate://one/x:1", "nobody:knows"]}
        params = {"_meta": modern_meta(), "notifications": wanted}
        async with front.modern("subscriptions/listen", params) as answer:
            async for line in answer.content:
                if line.startswith(b"data: "):
                    events.put_nowait(json.loads(line[6:]))

    listening = asyncio.create_task(listen())
    acknowledged = await asyncio.wait_for(events.get(), 10)
    assert acknowledged["params"]["notifications"] == {"resourceSubscriptions": ["t://a"]}
    front.servers.update("one", "t://a", PARAMS)
    updated = await asyncio.wait_for(events.get(), 10)
    assert updated["params"] == {
        "uri": "t://a",
        "extra": 1,
        "_meta": {"k": 1, "io.modelcontextprotocol/subscriptionId": 1},
    }
    listening.cancel()
    await asyncio.wait_for(front.servers.changed.wait(), 10)
    assert front.servers.heard["one", "t://a"] == []


@pytest.mark.parametrize("wanted", [5, {"a": 1}, [1], "t://a"])
async def test_a_list_of_resources_that_is_none_is_refused(front: Front, wanted: Any) -> None:
    async with front.modern("subscriptions/listen", {"notifications": {"resourceSubscriptions": wanted}}) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (400, -32602)
