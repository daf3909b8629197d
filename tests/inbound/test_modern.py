"""Revision 2026-07-28 over Streamable HTTP: checks in the specification's order, with its codes and statuses."""

import asyncio
import json
from typing import Any

import pytest

from tests.inbound.conftest import MODERN, Front, Stalled, items, modern_meta
from toolgate.catalog.snapshot import Route
from toolgate.model.tool import Catalogue, Item, Kind
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol.eras import Era

Headers = dict[str, str]


async def error_of(answer: Any) -> tuple[int, int, Any]:
    body = await answer.json()
    return answer.status, body["error"]["code"], body["id"]


async def test_discover_says_what_is_spoken_and_offered(front: Front) -> None:
    async with front.modern("server/discover") as answer:
        result = (await answer.json())["result"]
    assert result["resultType"] == "complete"
    assert result["supportedVersions"] == [MODERN]
    assert result["capabilities"]["tools"] == {"listChanged": True}
    assert result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "toolgate"
    assert "Look before you touch." in result["instructions"]
    assert (result["ttlMs"], result["cacheScope"]) == (0, "private")


async def test_one_server_alone_speaks_for_itself(front: Front) -> None:
    async with front.modern("server/discover", endpoint="/servers/one/mcp") as answer:
        result = (await answer.json())["result"]
    assert result["_meta"]["io.modelcontextprotocol/serverInfo"] == {"name": "first", "version": "9"}
    assert result["instructions"] == "Look before you touch."
    assert result["capabilities"] == {"tools": {"listChanged": True}}


@pytest.mark.parametrize(
    ("method", "member", "names"),
    [
        ("tools/list", "tools", ["one__look", "one__touch", "two__look"]),
        ("prompts/list", "prompts", ["one__ask"]),
        ("resources/list", "resources", ["t://a"]),
        ("resources/templates/list", "resourceTemplates", ["t://{x}/y"]),
    ],
)
async def test_lists_come_from_the_snapshot(front: Front, method: str, member: str, names: list[str]) -> None:
    async with front.modern(method) as answer:
        result = (await answer.json())["result"]
    key = {"resources": "uri", "resourceTemplates": "uriTemplate"}.get(member, "name")
    assert [item[key] for item in result[member]] == names
    assert all(item["extra"] == [1] for item in result[member])
    assert result["resultType"] == "complete"
    assert front.calls == []


async def test_a_call_is_routed_by_look_up_and_its_result_passes(front: Front) -> None:
    async with front.modern("tools/call", {"name": "two__look", "arguments": {"n": 1}}) as answer:
        assert answer.status == 200
        assert answer.content_type == "application/json"
        assert (await answer.json())["result"] == {"content": [], "server": "two", "name": "look"}
        assert answer.headers["X-Request-Id"] == front.calls[0].id


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"MCP-Protocol-Version": ""}, 400, -32020),
        ({"MCP-Protocol-Version": "2025-11-25"}, 400, -32020),
        ({"MCP-Protocol-Version": "2099-01-01"}, 400, -32020),
        ({"Mcp-Method": ""}, 400, -32020),
        ({"Mcp-Method": "TOOLS/CALL"}, 400, -32020),
        ({"Mcp-Name": ""}, 400, -32020),
        ({"Mcp-Name": "other"}, 400, -32020),
        ({"Mcp-Name": "=?base64?!!!?="}, 400, -32020),
    ],
)
async def test_headers_must_say_what_the_body_says(front: Front, headers: Headers, status: int, code: int) -> None:
    async with front.modern("tools/call", {"name": "one__look"}, headers) as answer:
        assert await error_of(answer) == (status, code, 1)
    assert front.calls == []


async def test_an_encoded_name_is_decoded_before_it_is_compared(front: Front) -> None:
    encoded = "=?base64?b25lX19sb29r?="
    async with front.modern("tools/call", {"name": "one__look"}, {"Mcp-Name": encoded}) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("header", ["MCP-Protocol-Version", "Mcp-Method", "Mcp-Name"])
async def test_a_routing_header_given_twice_is_refused(front: Front, header: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(front.url.rpartition(":")[2]))
    params = {"_meta": modern_meta(), "name": "one__look"}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    names = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "one__look"}
    lines = [f"{name}: {value}" for name, value in [*names.items(), (header, names[header])]]
    head = ["POST /mcp HTTP/1.1", "Host: localhost", "Content-Type: application/json", "Accept: */*"]
    head += ["Connection: close", f"Content-Length: {len(body)}", *lines]
    writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"-32020" in answer


@pytest.mark.parametrize(
    "meta",
    [
        None,
        {},
        {"io.modelcontextprotocol/protocolVersion": MODERN},
        {"io.modelcontextprotocol/clientCapabilities": {}},
        {"io.modelcontextprotocol/protocolVersion": 1, "io.modelcontextprotocol/clientCapabilities": {}},
        {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": 3},
        modern_meta(**{"io.modelcontextprotocol/logLevel": "loud"}),
    ],
)
async def test_a_request_that_does_not_say_who_it_is_is_malformed(front: Front, meta: Any) -> None:
    params = {} if meta is None else {"_meta": meta}
    body = {"jsonrpc": "2.0", "id": "x", "method": "tools/list", "params": params}
    headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/list"}
    async with front.post(body, headers) as answer:
        assert await error_of(answer) == (400, -32602, "x")


async def test_an_unknown_version_is_told_the_known_ones(front: Front) -> None:
    meta = modern_meta(**{"io.modelcontextprotocol/protocolVersion": "2099-01-01"})
    async with front.modern("tools/list", {"_meta": meta}, {"MCP-Protocol-Version": "2099-01-01"}) as answer:
        body = await answer.json()
    assert answer.status == 400
    assert body["error"]["code"] == -32022
    assert body["error"]["data"] == {"supported": [MODERN], "requested": "2099-01-01"}


@pytest.mark.parametrize(
    "method", ["nope", "ping", "initialize", "logging/setLevel", "resources/subscribe", "tasks/list"]
)
async def test_an_unknown_or_removed_method_is_not_found(front: Front, method: str) -> None:
    async with front.modern(method) as answer:
        assert await error_of(answer) == (404, -32601, 1)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", {"name": "nobody__knows"}),
        ("tools/call", {}),
        ("tools/call", {"name": 5}),
        ("prompts/get", {"name": "one__nothing"}),
        ("resources/read", {"uri": "unknown://x"}),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "one__nothing"}}),
        ("completion/complete", {}),
        ("tools/list", {"cursor": "nowhere"}),
        ("subscriptions/listen", {"notifications": {"toolsListChanged": "yes"}}),
    ],
)
async def test_params_that_lead_nowhere_are_refused(front: Front, method: str, params: dict[str, Any]) -> None:
    name = params.get("name", params.get("uri"))
    async with front.modern(method, params, {"Mcp-Name": name if isinstance(name, str) else ""}) as answer:
        status, code, key = await error_of(answer)
    assert (status, key) == (400, 1)
    assert code in {-32602, -32600}
    assert front.calls == []


async def test_a_call_of_what_a_starting_server_may_offer_waits_for_it(front: Front) -> None:
    async def arrive() -> None:
        front.catalog.learn("two", Catalogue({Kind.TOOLS: items(Kind.TOOLS, "new")}))

    front.arriving = arrive
    async with front.modern("tools/call", {"name": "two__new"}) as answer:
        assert (await answer.json())["result"]["name"] == "new"
    async with front.modern("tools/call", {"name": "two__never"}) as answer:
        assert (await answer.json())["error"]["code"] == -32602


EXTENDED = {"tools": {}, "extensions": {"io.modelcontextprotocol/tasks": {}, "com.example/skills": {"v": 1}}}


async def test_a_task_of_one_of_several_servers_is_found_by_its_id(front: Front) -> None:
    async def start(call: Call) -> Reply:
        return Reply(b'{"resultType":"task","taskId":"t.1","status":"working","n":1.10}')

    front.road = start
    front.server_era = Era.MODERN
    capabilities: dict[str, Any] = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
    meta = modern_meta(**{"io.modelcontextprotocol/clientCapabilities": capabilities})
    async with front.modern("tools/call", {"name": "two__look", "_meta": meta}) as answer:
        assert b'"taskId":"two.t.1","status":"working","n":1.10' in await answer.read()
    async with front.modern("tasks/get", {"taskId": "two.t.1"}, {"Mcp-Name": "two.t.1"}) as answer:
        assert (await answer.json())["result"]["taskId"] == "two.t.1"
    assert front.calls[1].route == Route("two", "t.1")
    async with front.modern("tasks/get", {"taskId": "t.1"}, {"Mcp-Name": "t.1"}) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (400, -32602)
    async with front.modern(
        "tasks/cancel", {"taskId": "t.1"}, {"Mcp-Name": "t.1"}, endpoint="/servers/one/mcp"
    ) as answer:
        assert (await answer.json())["result"]["taskId"] == "t.1"


async def test_the_methods_of_an_extension_go_to_the_server_that_has_it(front: Front) -> None:
    front.catalog.learn("one", Catalogue({}, EXTENDED))
    await front.catalog.built()
    async with front.modern("skills/teach", {"k": 1}, endpoint="/servers/one/mcp") as answer:
        assert answer.status == 200
    assert (front.calls[0].method, front.calls[0].route.server) == ("skills/teach", "one")
    for endpoint in ("/mcp", "/servers/two/mcp"):
        async with front.modern("skills/teach", {"k": 1}, endpoint=endpoint) as answer:
            assert answer.status == 404
    async with front.modern("server/discover") as answer:
        assert (await answer.json())["result"]["capabilities"]["extensions"] == EXTENDED["extensions"]


ANNOTATED = {
    "name": "look",
    "inputSchema": {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "x-mcp-header": "Count"},
            "deep": {"type": "object", "properties": {"s": {"type": "string", "x-mcp-header": "Text"}}},
        },
    },
}


@pytest.mark.parametrize(
    ("arguments", "headers", "status"),
    [
        ({"n": 42}, {"Mcp-Param-Count": "42"}, 200),
        ({"n": 42}, {"mcp-param-count": "42.0"}, 200),
        ({"n": 42}, {}, 400),
        ({"n": 42}, {"Mcp-Param-Count": "43"}, 400),
        ({"n": None}, {}, 200),
        ({}, {}, 200),
        ({}, {"Mcp-Param-Count": "1"}, 400),
        ({"deep": {"s": "é"}}, {"Mcp-Param-Text": "=?base64?w6k=?="}, 200),
        ({"deep": {"s": "é"}}, {"Mcp-Param-Text": "=?base64?w6k?="}, 400),
        ({}, {"Mcp-Param-Unknown": "1"}, 200),
    ],
)
async def test_mirrored_arguments_must_say_what_the_body_says(
    front: Front, arguments: dict[str, Any], headers: Headers, status: int
) -> None:
    tool = Item("look", json.dumps(ANNOTATED).encode())
    front.catalog.learn("one", Catalogue({Kind.TOOLS: (tool,)}))
    await front.catalog.built()
    async with front.modern("tools/call", {"name": "one__look", "arguments": arguments}, headers) as answer:
        assert answer.status == status
        if status != 200:
            assert (await answer.json())["error"]["code"] == -32020


async def test_a_session_id_from_another_life_is_ignored(front: Front) -> None:
    async with front.modern("tools/list", headers={"Mcp-Session-Id": "gone", "Last-Event-ID": "7"}) as answer:
        assert answer.status == 200
        assert "Mcp-Session-Id" not in answer.headers


async def test_a_notification_is_accepted_and_a_response_is_not(front: Front) -> None:
    headers = {"MCP-Protocol-Version": MODERN}
    note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
    async with front.post(note, headers) as answer:
        assert (answer.status, await answer.read()) == (202, b"")
    async with front.post({"jsonrpc": "2.0", "id": 1, "result": {}}, headers) as answer:
        assert answer.status == 400


async def test_what_a_server_says_before_its_result_turns_the_answer_into_a_stream(front: Front) -> None:
    async def talk(call: Call) -> Reply:
        call.channel.send(b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}')
        return Reply(b'{"content":[]}')

    front.road = talk
    async with front.modern("tools/call", {"name": "one__look"}) as answer:
        assert answer.content_type == "text/event-stream"
        assert answer.headers["X-Accel-Buffering"] == "no"
        events = [json.loads(line[6:]) for line in (await answer.text()).splitlines() if line.startswith("data: ")]
    assert events[0]["method"] == "notifications/progress"
    assert events[1] == {"jsonrpc": "2.0", "id": 1, "result": {"content": []}}


async def test_a_client_that_goes_away_cancels_its_call(front: Front) -> None:
    front.road = stalled = Stalled()

    async def ask() -> None:
        async with front.modern("tools/call", {"name": "one__look"}):
            pass

    asking = asyncio.create_task(ask())
    await asyncio.wait_for(stalled.started.wait(), 10)
    asking.cancel()
    await asyncio.wait_for(stalled.cancelled.wait(), 10)


async def test_an_error_of_the_road_names_its_server_and_keeps_its_own_code(front: Front) -> None:
    async def fail(call: Call) -> Reply:
        return Reply(b'{"code":4711,"message":"m","data":{"n":12345678901234567890}}', is_error=True)

    front.road = fail
    async with front.modern("tools/call", {"name": "one__look"}) as answer:
        assert answer.status == 200
        assert b'"n":12345678901234567890' in await answer.read()


async def test_a_fault_of_ours_is_told_by_its_id_only(front: Front, caplog: pytest.LogCaptureFixture) -> None:
    async def break_down(call: Call) -> Reply:
        raise RuntimeError("internal detail")

    front.road = break_down
    async with front.modern("tools/call", {"name": "one__look"}) as answer:
        text = await answer.text()
    assert answer.status == 500
    assert "internal detail" not in text
    assert front.calls[0].id in text
    assert "internal detail" in caplog.text


async def listen(front: Front, events: asyncio.Queue[Any], **wanted: Any) -> None:
    async with front.modern("subscriptions/listen", {"notifications": wanted}) as answer:
        async for line in answer.content:
            if line.startswith(b"data: "):
                await events.put(json.loads(line[6:]))
    await events.put(None)


async def test_a_listener_hears_what_it_asked_for_and_a_graceful_end(front: Front) -> None:
    events: asyncio.Queue[Any] = asyncio.Queue()
    listening = asyncio.create_task(
        listen(
            front,
            events,
            toolsListChanged=True,
            resourcesListChanged=False,
            resourceSubscriptions=["toolgate://one/x:1"],
        )
    )
    tag = {"io.modelcontextprotocol/subscriptionId": 1}
    first = await asyncio.wait_for(events.get(), 10)
    assert first["method"] == "notifications/subscriptions/acknowledged"
    assert first["params"] == {"_meta": tag, "notifications": {"toolsListChanged": True}}
    front.catalog.learn("two", Catalogue({Kind.RESOURCES: items(Kind.RESOURCES, "u://1")}))
    changed = await asyncio.wait_for(events.get(), 10)
    assert changed == {"jsonrpc": "2.0", "method": "notifications/tools/list_changed", "params": {"_meta": tag}}
    front.stop.set()  # type: ignore[attr-defined]
    end = [await asyncio.wait_for(events.get(), 10) for _ in range(3)]
    assert end[0]["method"] == "notifications/cancelled"
    assert end[0]["params"] == {"requestId": 1}
    assert end[1]["result"] == {"resultType": "complete", "_meta": tag}
    assert end[2] is None
    await listening
