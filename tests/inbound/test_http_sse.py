"""HTTP+SSE as clients of 2024 speak it: the connection is the session."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import mcp_types as types
import pytest
from mcp import Client
from mcp.client.sse import sse_client
from pydantic import FileUrl

from tests.inbound.conftest import BOTH, Front, Stalled, items
from toolgate.inbound import http_sse, sse_connection
from toolgate.model.tool import Catalogue, Kind
from toolgate.pipeline.call import Call, Reply

VERSION = "2024-11-05"


class Stream:
    """A client of the old transport."""

    def __init__(self, front: Front, answer: aiohttp.ClientResponse, headers: dict[str, str]) -> None:
        self._front = front
        self._lines = answer.content
        self._headers = headers
        self.address = ""

    async def event(self) -> tuple[str, str]:
        """The next event; two empty strings at the end of the stream."""
        name = data = ""
        async with asyncio.timeout(10):
            while line := (await self._lines.readline()).rstrip():
                field, _, value = line.decode().partition(": ")
                name, data = (value, data) if field == "event" else (name, value)
        return name, data

    async def hear(self) -> Any:
        name, data = await self.event()
        return json.loads(data) if name == "message" else None

    async def post(self, body: Any, headers: dict[str, str] | None = None) -> int:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Content-Type": "application/json", **self._headers, **(headers or {})}
        async with self._front.http.post(self._front.url + self.address, data=data, headers=given) as answer:
            await answer.read()
            return answer.status

    async def say(self, **message: Any) -> None:
        assert await self.post({"jsonrpc": "2.0", **message}) == 202

    async def ask(self, key: Any, method: str, params: dict[str, Any] | None = None) -> Any:
        await self.say(id=key, method=method, params=params or {})
        return await self.hear()

    async def initialize(self, version: str = VERSION, capabilities: dict[str, Any] | None = None) -> Any:
        client = {"name": "t", "version": "1"}
        params = {"protocolVersion": version, "capabilities": capabilities or {}, "clientInfo": client}
        result = (await self.ask(0, "initialize", params))["result"]
        await self.say(method="notifications/initialized")
        return result


@asynccontextmanager
async def opened(front: Front, path: str = "/sse", headers: dict[str, str] | None = None) -> AsyncIterator[Stream]:
    async with front.http.get(front.url + path, headers=headers or {}) as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        stream = Stream(front, answer, headers or {})
        name, stream.address = await stream.event()
        assert name == "endpoint"
        yield stream


async def test_the_stream_names_the_address_and_carries_every_answer(front: Front) -> None:
    async with opened(front) as stream:
        assert stream.address.startswith("/sse/message?session=")
        result = await stream.initialize()
        assert result["protocolVersion"] == VERSION
        listed = (await stream.ask("a", "tools/list"))["result"]
        assert [tool["name"] for tool in listed["tools"]] == ["one__look", "one__touch", "two__look"]
        assert await stream.ask(2, "tools/call", {"name": "one__look"}) == {
            "jsonrpc": "2.0",
            "id": 2,
            "result": {"content": [], "server": "one", "name": "look"},
        }
        assert (await stream.ask(3, "logging/setLevel", {"level": "error"}))["result"] == {}
        await stream.ask(4, "tools/call", {"name": "one__look"})
        assert [call.log_level for call in front.calls] == [None, "error"]
        assert (await stream.ask(5, "nonsense"))["error"]["code"] == -32601
        assert (await stream.ask(6, "ping"))["result"] == {}


@pytest.mark.parametrize("path", ["/servers/one/sse", "/sse"])
async def test_every_endpoint_has_its_own(front: Front, path: str) -> None:
    async with opened(front, path) as stream:
        await stream.initialize("2025-06-18")
        names = [tool["name"] for tool in (await stream.ask(1, "tools/list"))["result"]["tools"]]
        assert names[0] == ("look" if path == "/servers/one/sse" else "one__look")
        other = stream.address.replace("/servers/one", "") if "/servers" in path else "/servers/two" + stream.address
        stream.address = other
        assert await stream.post({"jsonrpc": "2.0", "id": 1, "method": "ping"}) == 404


async def test_the_official_client_lists_calls_and_is_asked(front: Front) -> None:
    async def asks(call: Call) -> Reply:
        call.channel.send(b'{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}')
        roots = await call.channel.ask("roots/list", None)
        return Reply(b'{"content":[{"type":"text","text":' + json.dumps(roots.payload.decode()).encode() + b"}]}")

    async def list_roots(context: Any) -> types.ListRootsResult:
        return types.ListRootsResult(roots=[types.Root(uri=FileUrl("file:///home"))])

    async def note(params: Any) -> None:
        logged.append(params.data)

    logged: list[Any] = []
    front.road = asks
    front.catalog.learn("one", Catalogue({Kind.TOOLS: full("look")}, {"tools": {}, "logging": {}}))
    async with Client(
        sse_client(front.url + "/servers/one/sse"), list_roots_callback=list_roots, logging_callback=note
    ) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["look"]
        result = await client.call_tool("look", {})
    assert "file:///home" in str(result.content)
    assert logged == [1]


def full(*names: str) -> Any:
    return tuple(
        type(item)(item.name, json.dumps({"name": item.name, "inputSchema": {"type": "object"}}).encode())
        for item in items(Kind.TOOLS, *names)
    )


async def test_before_initialize_only_ping_is_answered_and_after_it_not_once_more(front: Front) -> None:
    async with opened(front) as stream:
        assert (await stream.ask(1, "ping"))["result"] == {}
        assert (await stream.ask(2, "server/discover"))["error"]["code"] == -32600
        await stream.initialize()
        params = {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        assert (await stream.ask(3, "initialize", params))["error"]["code"] == -32600


async def test_answers_come_in_the_order_in_which_they_are_ready(front: Front) -> None:
    released = asyncio.Event()

    async def first_waits(call: Call) -> Reply:
        if call.route.name == "look":
            await released.wait()
        return Reply(b"{}")

    front.road = first_waits
    async with opened(front) as stream:
        await stream.initialize()
        await stream.say(id="slow", method="tools/call", params={"name": "one__look"})
        assert (await stream.ask("fast", "tools/call", {"name": "one__touch"}))["id"] == "fast"
        assert "under way" in (await stream.ask("slow", "ping"))["error"]["message"]
        released.set()
        assert (await stream.hear())["id"] == "slow"


async def test_progress_and_questions_come_over_the_stream_and_answers_by_post(front: Front) -> None:
    async def asks(call: Call) -> Reply:
        call.channel.send(b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}')
        reply = await call.channel.ask("roots/list", None)
        return Reply(reply.payload, reply.is_error)

    front.road = asks
    async with opened(front) as stream:
        await stream.initialize(capabilities={"roots": {}})
        assert (await stream.ask(1, "tools/call", {"name": "one__look"}))["method"] == "notifications/progress"
        question = await stream.hear()
        assert question["method"] == "roots/list"
        await stream.say(id=question["id"], result={"roots": []})
        assert await stream.hear() == {"jsonrpc": "2.0", "id": 1, "result": {"roots": []}}
        assert front.calls[0].capabilities == b'{"roots":{}}'


async def test_a_cancelled_request_has_no_answer(front: Front) -> None:
    front.road = stalled = Stalled()
    async with opened(front) as stream:
        await stream.initialize()
        await stream.say(id="a", method="tools/call", params={"name": "one__look"})
        await asyncio.wait_for(stalled.started.wait(), 10)
        await stream.say(method="notifications/cancelled", params={"requestId": "a"})
        await asyncio.wait_for(stalled.cancelled.wait(), 10)
        assert (await stream.ask("b", "ping"))["id"] == "b"


async def test_changed_lists_and_updates_are_announced(front: Front) -> None:
    async with opened(front) as stream:
        await stream.initialize()
        await stream.ask(1, "ping")
        front.catalog.learn("two", Catalogue({Kind.PROMPTS: items(Kind.PROMPTS, "p")}))
        methods = [(await stream.hear())["method"] for _ in range(2)]
        assert methods == ["notifications/tools/list_changed", "notifications/prompts/list_changed"]


async def test_a_client_that_leaves_ends_its_session_and_its_calls(front: Front) -> None:
    front.road = stalled = Stalled()
    async with opened(front) as stream:
        await stream.initialize()
        await stream.say(id="a", method="tools/call", params={"name": "one__look"})
        await asyncio.wait_for(stalled.started.wait(), 10)
        assert len(front.sessions) == 1
    await asyncio.wait_for(stalled.cancelled.wait(), 10)
    assert await stream.post({"jsonrpc": "2.0", "id": 1, "method": "ping"}) == 404
    assert len(front.sessions) == 0


async def test_a_session_is_its_callers_alone(front: Front) -> None:
    mine, other = {"Authorization": "Bearer mine"}, {"Authorization": "Bearer other"}
    async with opened(front, headers=mine) as stream:
        ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        assert await stream.post(ping, other) == 404
        assert await stream.post(ping, {"Authorization": "Bearer wrong"}) == 401
        assert await stream.post(ping, {"Host": "evil.example"}) == 403
        assert await stream.post(ping, {"Origin": "https://evil.example"}) == 403
        assert await stream.post(ping) == 202
        assert (await stream.hear())["id"] == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Authorization": "Bearer wrong"}, 401),
    ],
)
async def test_who_may_not_come_in_gets_no_stream(front: Front, headers: dict[str, str], status: int) -> None:
    async with front.http.get(front.url + "/sse", headers=headers) as answer:
        assert answer.status == status


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/sse", 405),
        ("DELETE", "/sse", 405),
        ("GET", "/sse/message?session=x", 405),
        ("POST", "/sse/message?session=x", 404),
        ("POST", "/sse/message", 404),
        ("POST", "/sse/message?session=a&session=b", 404),
        ("GET", "/servers/nobody/sse", 404),
        ("POST", "/servers/nobody/sse/message?session=x", 404),
        ("GET", "/nonsense/sse", 404),
    ],
)
async def test_what_is_no_address_of_this_transport_says_so(front: Front, method: str, path: str, status: int) -> None:
    headers = {"Content-Type": "application/json", "Accept": BOTH}
    async with front.http.request(method, front.url + path, headers=headers, data=b"{}") as answer:
        assert answer.status == status


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"[]", {}, 400),
        (b" " * 10_001, {}, 413),
        (b"{}", {"Content-Type": "text/plain"}, 406),
    ],
)
async def test_a_post_that_cannot_be_read_is_refused(
    front: Front, body: bytes, headers: dict[str, str], status: int
) -> None:
    async with opened(front) as stream:
        await stream.initialize()
        assert await stream.post(body, headers) == status
        assert (await stream.ask(1, "ping"))["id"] == 1


async def test_a_batch_of_its_revision_is_taken_apart(front: Front) -> None:
    async with opened(front) as stream:
        await stream.initialize("2025-03-26")
        assert await stream.post([{"jsonrpc": "2.0", "id": key, "method": "ping"} for key in (1, 2)]) == 202
        assert [(await stream.hear())["id"] for _ in range(2)] == [1, 2]


async def test_too_many_requests_at_a_time_are_refused(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_sse, "_UNDER_WAY", 2)
    front.road = Stalled()
    async with opened(front) as stream:
        await stream.initialize()
        for key in (1, 2):
            await stream.say(id=key, method="tools/call", params={"name": "one__look"})
        assert "under way" in (await stream.ask(3, "tools/call", {"name": "one__look"}))["error"]["message"]


async def test_a_client_that_does_not_read_is_cut_off(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = asyncio.Event()

    async def floods(call: Call) -> Reply:
        try:
            while call.channel.send(b'{"jsonrpc":"2.0","method":"notifications/progress","params":{}}'):
                pass
            await asyncio.Event().wait()
        finally:
            gone.set()
        raise AssertionError

    monkeypatch.setattr(sse_connection, "_BYTES", 1000)
    front.road = floods
    async with opened(front) as stream:
        await stream.initialize()
        await stream.say(id=1, method="tools/call", params={"name": "one__look"})
        await asyncio.wait_for(gone.wait(), 10)
        while (await stream.event())[0]:
            pass
    assert len(front.sessions) == 0


async def test_too_many_streams_are_refused(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_sse, "_MOST", 1)
    async with opened(front), front.http.get(front.url + "/sse") as answer:
        assert answer.status == 503


async def test_a_stream_ends_with_the_gateway_after_the_calls_under_way(front: Front) -> None:
    released, started = asyncio.Event(), asyncio.Event()

    async def waits(_: Call) -> Reply:
        started.set()
        await released.wait()
        return Reply(b"{}")

    front.road = waits
    async with opened(front) as idle, opened(front) as busy:
        await busy.initialize()
        await busy.say(id=1, method="tools/call", params={"name": "one__look"})
        await asyncio.wait_for(started.wait(), 10)
        front.stop.set()  # type: ignore[attr-defined]
        assert await idle.event() == ("", "")
        released.set()
        assert (await busy.hear())["id"] == 1
        assert await busy.event() == ("", "")
