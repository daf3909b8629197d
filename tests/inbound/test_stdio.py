"""The gateway as a stdio server: one line in, the right lines out, in both eras."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.inbound.conftest import Front, Stalled, items, modern_meta
from toolgate.inbound.stdio import Relay
from toolgate.model.tool import Catalogue, Item, Kind
from toolgate.pipeline.call import Call, Reply


class Client:
    """A stdio client's end of the pipes."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[bytes] = asyncio.Queue()
        self.outgoing: asyncio.Queue[bytes] = asyncio.Queue()

    async def read(self) -> bytes:
        return await self.incoming.get()

    async def write(self, line: bytes) -> None:
        assert b"\n" not in line
        await self.outgoing.put(line)

    def say(self, **message: Any) -> None:
        self.incoming.put_nowait(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    async def hear(self) -> Any:
        return json.loads(await asyncio.wait_for(self.outgoing.get(), 10))

    async def initialize(self) -> Any:
        params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        self.say(id=0, method="initialize", params=params)
        result = (await self.hear())["result"]
        self.say(method="notifications/initialized")
        return result


@pytest.fixture
async def client(front: Front) -> AsyncIterator[Client]:
    made = Client()
    relay = asyncio.create_task(Relay(front.http, front.url + "/mcp", {}, made).run())
    yield made
    made.incoming.put_nowait(b"")
    await asyncio.wait_for(relay, 10)


async def test_a_legacy_client_initializes_lists_and_calls(client: Client) -> None:
    assert (await client.initialize())["protocolVersion"] == "2025-06-18"
    client.say(id="a", method="tools/list")
    assert (await client.hear())["result"]["tools"][0]["name"] == "one__look"
    client.say(id=2, method="tools/call", params={"name": "one__look"})
    assert await client.hear() == {
        "jsonrpc": "2.0",
        "id": 2,
        "result": {"content": [], "server": "one", "name": "look"},
    }


async def test_a_modern_client_needs_no_handshake(client: Client) -> None:
    client.say(id=1, method="server/discover", params={"_meta": modern_meta()})
    assert (await client.hear())["result"]["supportedVersions"] == ["2026-07-28"]
    client.say(id=2, method="tools/call", params={"_meta": modern_meta(), "name": "two__look"})
    assert (await client.hear())["result"]["server"] == "two"


async def test_a_legacy_client_hears_of_changes(client: Client, front: Front) -> None:
    await client.initialize()
    client.say(id=1, method="ping")
    await client.hear()
    front.catalog.learn("two", Catalogue({Kind.TOOLS: items(Kind.TOOLS, "new")}))
    assert (await client.hear())["method"] == "notifications/tools/list_changed"


async def test_a_modern_client_listens_and_cancels(client: Client, front: Front) -> None:
    client.say(
        id="l",
        method="subscriptions/listen",
        params={"_meta": modern_meta(), "notifications": {"toolsListChanged": True}},
    )
    assert (await client.hear())["method"] == "notifications/subscriptions/acknowledged"
    front.catalog.learn("two", Catalogue({Kind.TOOLS: items(Kind.TOOLS, "new")}))
    assert (await client.hear())["method"] == "notifications/tools/list_changed"

    front.road = stalled = Stalled()
    client.say(id="c", method="tools/call", params={"_meta": modern_meta(), "name": "one__look"})
    await asyncio.wait_for(stalled.started.wait(), 10)
    client.say(method="notifications/cancelled", params={"requestId": "c"})
    await asyncio.wait_for(stalled.cancelled.wait(), 10)


async def test_a_legacy_client_cancels(client: Client, front: Front) -> None:
    await client.initialize()
    front.road = stalled = Stalled()
    client.say(id=5, method="tools/call", params={"name": "one__look"})
    await asyncio.wait_for(stalled.started.wait(), 10)
    client.say(method="notifications/cancelled", params={"requestId": 5})
    await asyncio.wait_for(stalled.cancelled.wait(), 10)


async def test_progress_comes_before_the_result(client: Client, front: Front) -> None:
    async def talk(call: Call) -> Reply:
        call.channel.send(b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}')
        return Reply(b'{\n"content": []\n}')

    front.road = talk
    await client.initialize()
    client.say(id=5, method="tools/call", params={"name": "one__look"})
    assert (await client.hear())["method"] == "notifications/progress"
    assert (await client.hear())["result"] == {"content": []}


@pytest.mark.parametrize("line", [b"{", b"[]", b"garbage", b'{"jsonrpc":"2.0","id":null,"method":"x"}'])
async def test_a_line_that_is_no_message_is_answered_with_an_error_and_the_next_is_served(
    client: Client, line: bytes
) -> None:
    client.incoming.put_nowait(line + b"\n")
    assert (await client.hear())["error"]["code"] in {-32700, -32600}
    client.say(id=1, method="server/discover", params={"_meta": modern_meta()})
    assert "result" in await client.hear()


async def test_a_session_that_the_gateway_forgot_is_opened_again_unseen(client: Client, front: Front) -> None:
    await client.initialize()
    client.say(id=1, method="ping")
    await client.hear()
    for session in front.sessions.all():
        front.sessions.end(session)
    for key in range(2, 6):
        client.say(id=key, method="ping")
    assert {(await client.hear())["id"] for _ in range(4)} == {2, 3, 4, 5}


async def test_a_gateway_that_is_gone_is_an_error_that_says_so(front: Front) -> None:
    client = Client()
    relay = asyncio.create_task(Relay(front.http, "http://127.0.0.1:1/mcp", {}, client).run())
    client.say(id=1, method="tools/list", params={"_meta": modern_meta()})
    error = (await client.hear())["error"]
    assert "127.0.0.1:1" in error["message"]
    client.incoming.put_nowait(b"")
    await asyncio.wait_for(relay, 10)


async def test_requests_under_way_are_answered_when_the_client_closes_its_end(front: Front) -> None:
    client = Client()
    client.say(id=1, method="tools/list", params={"_meta": modern_meta()})
    client.incoming.put_nowait(b"")
    await asyncio.wait_for(Relay(front.http, front.url + "/mcp", {}, client).run(), 10)
    assert (await client.hear())["id"] == 1


async def test_arguments_that_a_tool_wants_in_headers_are_mirrored_for_the_client(client: Client, front: Front) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "x-mcp-header": "Count"}}}
    tool = Item("look", json.dumps({"name": "look", "inputSchema": schema}).encode())
    front.catalog.learn("one", Catalogue({Kind.TOOLS: (tool,)}))
    for key in (1, 2):
        params = {"_meta": modern_meta(), "name": "one__look", "arguments": {"n": 7}}
        client.say(id=key, method="tools/call", params=params)
        assert (await client.hear())["result"]["name"] == "look"


@pytest.mark.parametrize("params", [{"name": 5}, {"name": None}, {"name": ["one__look"]}, {}])
async def test_a_name_that_is_none_is_refused_in_words(client: Client, params: dict[str, Any]) -> None:
    client.say(id=1, method="tools/call", params={"_meta": modern_meta(), **params})
    assert (await client.hear())["error"]["code"] == -32602


async def test_a_member_without_a_name_is_not_taken_for_one(client: Client) -> None:
    client.say(id=1, method="server/discover", params={"_meta": modern_meta(), "": None})
    assert "result" in await client.hear()
