"""The legacy era over Streamable HTTP: sessions, the GET stream, cancellation by notification."""

import asyncio
import json
from typing import Any

import pytest

from tests.inbound.conftest import BOTH, Front, Stalled, items
from toolgate.model.tool import Catalogue, Kind
from toolgate.pipeline.call import Call, Reply


def request(method: str, params: dict[str, Any] | None = None, key: Any = 7) -> dict[str, Any]:
    body = {"jsonrpc": "2.0", "id": key, "method": method}
    return body if params is None else {**body, "params": params}


@pytest.mark.parametrize("version", ["2025-03-26", "2025-06-18", "2025-11-25"])
async def test_a_client_gets_the_revision_it_asks_for(front: Front, version: str) -> None:
    assert (await front.initialize(version))["MCP-Protocol-Version"] == version


@pytest.mark.parametrize("version", ["1999-01-01", "2026-07-28", "x"])
async def test_a_client_with_another_revision_is_offered_the_newest(front: Front, version: str) -> None:
    assert (await front.initialize(version))["MCP-Protocol-Version"] == "2025-11-25"


async def test_a_session_lists_and_calls_without_what_only_modern_clients_know(front: Front) -> None:
    session = await front.initialize()
    async with front.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, session) as answer:
        assert answer.status == 202
    async with front.post(request("tools/list"), session) as answer:
        result = (await answer.json())["result"]
    assert set(result) == {"tools"}
    async with front.post(request("tools/call", {"name": "one__look"}), session) as answer:
        assert (await answer.json()) == {
            "jsonrpc": "2.0",
            "id": 7,
            "result": {"content": [], "server": "one", "name": "look"},
        }
    async with front.post(request("ping", key="p"), session) as answer:
        assert (await answer.json()) == {"jsonrpc": "2.0", "id": "p", "result": {}}


async def test_errors_inside_a_session_are_answers(front: Front) -> None:
    session = await front.initialize()
    for body, code in (
        (request("server/discover"), -32601),
        (request("tools/call", {"name": "nobody__knows"}), -32602),
        (request("logging/setLevel", {"level": "loud"}), -32602),
    ):
        async with front.post(body, session) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (200, code)


async def test_without_a_session_there_is_nothing_to_ask(front: Front) -> None:
    async with front.post(request("tools/list")) as answer:
        assert answer.status == 400
        assert "initialize" in (await answer.text())
    async with front.post(request("tools/list"), {"Mcp-Session-Id": "unknown"}) as answer:
        assert answer.status == 404


async def test_a_session_is_its_callers_and_its_endpoints_alone(front: Front) -> None:
    session = await front.initialize()
    async with front.post(request("ping"), {**session, "Authorization": "Bearer other"}) as answer:
        assert answer.status == 404
    async with front.post(request("ping"), session, endpoint="/servers/one/mcp") as answer:
        assert answer.status == 404


async def test_a_session_that_was_deleted_is_gone(front: Front) -> None:
    session = await front.initialize()
    async with front.http.delete(front.url + "/mcp", headers=session) as answer:
        assert answer.status == 204
    async with front.post(request("ping"), session) as answer:
        assert answer.status == 404
    assert len(front.sessions) == 0


async def test_a_header_of_another_era_in_a_session_is_refused(front: Front) -> None:
    session = await front.initialize()
    async with front.post(request("ping"), {**session, "MCP-Protocol-Version": "2030-01-01"}) as answer:
        assert answer.status == 400


async def test_the_log_level_of_a_session_goes_with_its_calls(front: Front) -> None:
    session = await front.initialize()
    async with front.post(request("logging/setLevel", {"level": "error"}), session) as answer:
        assert (await answer.json())["result"] == {}
    async with front.post(request("tools/call", {"name": "one__look"}), session):
        pass
    assert front.calls[0].log_level == "error"


async def test_a_cancelled_request_ends_without_an_answer(front: Front) -> None:
    session = await front.initialize()
    front.road = stalled = Stalled()

    async def ask() -> str:
        async with front.post(request("tools/call", {"name": "one__look"}, key="a"), session) as answer:
            return await answer.text()

    asking = asyncio.create_task(ask())
    await asyncio.wait_for(stalled.started.wait(), 10)
    note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "a"}}
    async with front.post(note, session) as answer:
        assert answer.status == 202
    await asyncio.wait_for(stalled.cancelled.wait(), 10)
    assert "data:" not in await asyncio.wait_for(asking, 10)


async def test_an_id_that_is_still_under_way_cannot_be_used_again(front: Front) -> None:
    session = await front.initialize()
    started, release = asyncio.Event(), asyncio.Event()

    async def wait(call: Call) -> Reply:
        started.set()
        await release.wait()
        return Reply(b"{}")

    front.road = wait

    async def ask() -> int:
        async with front.post(request("tools/call", {"name": "one__look"}), session) as answer:
            await answer.read()
            return answer.status

    first = asyncio.create_task(ask())
    await asyncio.wait_for(started.wait(), 10)
    assert await ask() == 400
    release.set()
    assert await first == 200


async def test_a_question_in_a_call_is_asked_on_its_stream_and_answered_with_a_post(front: Front) -> None:
    session = await front.initialize()

    async def curious(call: Call) -> Reply:
        reply = await call.channel.ask("elicitation/create", b'{"message":"who?"}')
        return Reply(b'{"answer":' + reply.payload + b"}", is_error=reply.is_error)

    front.road = curious
    async with front.post(request("tools/call", {"name": "one__look"}), session) as answer:
        question = await anext(line async for line in answer.content if line.startswith(b"data: {"))
        asked = json.loads(question[6:])
        assert (asked["method"], asked["params"]) == ("elicitation/create", {"message": "who?"})
        reply = {"jsonrpc": "2.0", "id": asked["id"], "result": {"action": "accept"}}
        async with front.post(reply, session) as accepted:
            assert accepted.status == 202
        async with front.post(reply, session) as accepted:
            assert accepted.status == 202, "a second answer is ignored"
        last = await anext(line async for line in answer.content if line.startswith(b"data: {"))
    assert json.loads(last[6:])["result"] == {"answer": {"action": "accept"}}


async def test_a_question_is_withdrawn_when_its_call_is_cancelled(front: Front) -> None:
    session = await front.initialize()

    async def curious(call: Call) -> Reply:
        return await call.channel.ask("roots/list", None)

    front.road = curious
    async with front.post(request("tools/call", {"name": "one__look"}, key="c"), session) as answer:
        first = await anext(line async for line in answer.content if line.startswith(b"data: {"))
        note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "c"}}
        async with front.post(note, session):
            pass
        rest = [json.loads(line[6:]) async for line in answer.content if line.startswith(b"data: {")]
    assert [message["params"]["requestId"] for message in rest] == [json.loads(first[6:])["id"]]


async def test_the_capabilities_of_a_session_go_with_its_calls_in_one_form(front: Front) -> None:
    declared = {"sampling": {}, "elicitation": {"form": {}}, "somethingElse": 1, "roots": {"listChanged": True}}
    params = {"protocolVersion": "2025-11-25", "capabilities": declared, "clientInfo": {"name": "t", "version": "1"}}
    async with front.post(request("initialize", params)) as answer:
        session = {"Mcp-Session-Id": answer.headers["Mcp-Session-Id"]}
    async with front.post(request("tools/call", {"name": "one__look"}), session):
        pass
    assert front.calls[0].capabilities == b'{"elicitation":{"form":{}},"roots":{"listChanged":true},"sampling":{}}'


class Stream:
    """A GET stream that is being read."""

    def __init__(self, front: Front, session: dict[str, str]) -> None:
        self.events: asyncio.Queue[Any] = asyncio.Queue()
        self.open = asyncio.Event()
        self.task = asyncio.create_task(self._read(front, session))

    async def _read(self, front: Front, session: dict[str, str]) -> None:
        async with front.http.get(front.url + "/mcp", headers={**session, "Accept": "text/event-stream"}) as answer:
            assert answer.status == 200
            self.open.set()
            async for line in answer.content:
                if line.startswith(b"data: {"):
                    await self.events.put(json.loads(line[6:]))
        await self.events.put(None)

    async def next(self) -> Any:
        return await asyncio.wait_for(self.events.get(), 10)


async def test_changes_reach_the_get_stream_even_those_from_before_it_was_open(front: Front) -> None:
    session = await front.initialize()
    front.catalog.learn("two", Catalogue({Kind.PROMPTS: items(Kind.PROMPTS, "p")}))
    await front.catalog.built()
    stream = Stream(front, session)
    assert [(await stream.next())["method"] for _ in range(2)] == [
        "notifications/tools/list_changed",
        "notifications/prompts/list_changed",
    ]
    front.catalog.learn("two", Catalogue({}))
    assert await stream.next() == {"jsonrpc": "2.0", "method": "notifications/prompts/list_changed"}
    front.stop.set()  # type: ignore[attr-defined]
    assert await stream.next() is None
    await stream.task


async def test_a_second_stream_takes_over_from_the_first(front: Front) -> None:
    session = await front.initialize()
    first = Stream(front, session)
    await asyncio.wait_for(first.open.wait(), 10)
    second = Stream(front, session)
    assert await first.next() is None
    await asyncio.wait_for(second.open.wait(), 10)
    front.catalog.learn("two", Catalogue({}))
    assert (await second.next())["method"] == "notifications/tools/list_changed"
    async with front.http.delete(front.url + "/mcp", headers=session) as answer:
        assert answer.status == 204
    assert await second.next() is None
    await asyncio.gather(first.task, second.task)


async def test_a_get_without_a_session_is_not_allowed_and_without_its_type_not_acceptable(front: Front) -> None:
    async with front.http.get(front.url + "/mcp", headers={"Accept": BOTH}) as answer:
        assert answer.status == 405
    session = await front.initialize()
    async with front.http.get(front.url + "/mcp", headers={**session, "Accept": "application/json"}) as answer:
        assert answer.status == 406
