import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from aiohttp import web

from tests.upstream.conftest import House, Inbox, clean, make_call, remote
from tests.upstream.servers.web import WebServer, event, open_stream, reply, serving
from toolgate.errors import (
    BrokenReply,
    DeadlineExceeded,
    ResponseTooLarge,
    ServerUnavailable,
    SignInNeeded,
    SlowClient,
)
from toolgate.protocol.eras import Era
from toolgate.upstream.base import State


@pytest.fixture
async def modern() -> AsyncIterator[WebServer]:
    async with serving(WebServer("modern")) as server:
        yield server


@pytest.fixture
async def legacy() -> AsyncIterator[WebServer]:
    async with serving(WebServer("legacy")) as server:
        yield server


async def test_a_modern_server_gets_the_headers_that_mirror_each_call(house: House, modern: WebServer) -> None:
    tool: dict[str, Any] = {
        "name": "wetter → heute",
        "inputSchema": {
            "type": "object",
            "properties": {"region": {"type": "string", "x-mcp-header": "Region"}, "n": {"type": "integer"}},
        },
    }
    modern.listed.append(tool)
    await house.serve(remote("web", modern.url, {"Authorization": "Bearer ${TOKEN}"}))
    assert house.status("web").era is Era.MODERN
    await house.call("web", tool["name"], {"region": "Zürich", "n": 1}, raw=msgspec.json.encode(tool))
    _, headers, body = modern.heard("tools/call")[0]
    assert body["params"]["name"] == tool["name"]
    assert headers["Mcp-Method"] == "tools/call"
    assert headers["Mcp-Name"] == "=?base64?d2V0dGVyIOKGkiBoZXV0ZQ==?="
    assert headers["Mcp-Param-Region"] == "=?base64?WsO8cmljaA==?="
    assert headers["MCP-Protocol-Version"] == "2026-07-28"
    assert headers["Authorization"] == "Bearer hunter2-secret"
    assert headers["Accept-Encoding"] == "identity"
    assert "Cookie" not in headers


async def test_a_legacy_server_keeps_its_session_until_the_end(legacy: WebServer) -> None:
    async with clean(House()) as house:
        await house.serve(remote("web", legacy.url))
        assert await house.call("web", "echo") == {"echo": {"name": "echo", "arguments": {}}}
        _, headers, _ = legacy.heard("tools/call")[0]
        assert headers["Mcp-Session-Id"] == "session-1"
        assert headers["MCP-Protocol-Version"] == "2025-11-25"
        assert "Mcp-Method" not in headers
        assert legacy.heard("notifications/initialized")
    assert legacy.requests[-1][0] == "DELETE"
    assert not legacy.sessions


async def test_a_lost_session_is_replaced_and_the_call_sent_again(house: House, legacy: WebServer) -> None:
    await house.serve(remote("web", legacy.url))
    await house.call("web", "echo")
    legacy.sessions.clear()
    results = await asyncio.gather(*(house.call("web", "echo", {"n": n}) for n in range(20)))
    assert [result["echo"]["arguments"]["n"] for result in results] == list(range(20))
    assert len(legacy.heard("initialize")) == 2


async def test_a_server_that_ends_every_session_is_not_asked_for_ever(house: House, legacy: WebServer) -> None:
    await house.serve(remote("web", legacy.url))

    async def forget(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        legacy.sessions.clear()
        return web.Response(status=404)

    legacy.tools["echo"] = forget
    with pytest.raises(ServerUnavailable, match="ended the session"):
        await house.call("web", "echo")
    assert len(legacy.heard("tools/call")) == 2


async def test_what_comes_in_a_stream_belongs_to_its_call(house: House, modern: WebServer) -> None:
    async def stream(request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        response = await open_stream(request)
        token = message["params"]["_meta"]["progressToken"]
        for wanted in (token, "foreign"):
            params = {"progressToken": wanted, "progress": 1}
            await event(response, {"method": "notifications/progress", "params": params})
        for level in ("debug", "error"):
            await event(response, {"method": "notifications/message", "params": {"level": level, "data": 1}})
        await event(response, {"id": message["id"], "result": {"ok": True}})
        return response

    modern.tools["echo"] = stream
    await house.serve(remote("web", modern.url))
    inbox = Inbox()
    meta = {"progressToken": "mine"}
    assert await house.call("web", "echo", meta=meta, channel=inbox, log_level="warning") == {"ok": True}
    assert [message["params"].get("progressToken") for message in inbox.messages] == ["mine", None]
    assert inbox.messages[1]["params"]["level"] == "error"


async def test_connections_are_used_again_after_streams(house: House, modern: WebServer) -> None:
    ports: set[Any] = set()

    async def stream(request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername"))
        response = await open_stream(request)
        await event(response, {"id": message["id"], "result": {}})
        return response

    modern.tools["echo"] = stream
    await house.serve(remote("web", modern.url))
    for _ in range(20):
        await house.call("web", "echo")
    assert len(ports) <= 4


async def test_a_slow_client_ends_the_stream(house: House, modern: WebServer) -> None:
    async def stream(request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        response = await open_stream(request)
        token = message["params"]["_meta"]["progressToken"]
        for step in range(20):
            params = {"progressToken": token, "progress": step}
            await event(response, {"method": "notifications/progress", "params": params})
        await modern.until_gone()
        return response

    modern.tools["echo"] = stream
    await house.serve(remote("web", modern.url))
    with pytest.raises(SlowClient):
        await house.call("web", "echo", meta={"progressToken": 1}, channel=Inbox(room=3))
    await asyncio.wait_for(modern.gone.wait(), 10)


async def hang(server: WebServer) -> None:
    async def never(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        await server.until_gone()
        raise AssertionError

    server.tools["slow"] = never


async def test_cancelling_a_modern_call_closes_its_response(house: House, modern: WebServer) -> None:
    await hang(modern)
    modern.offers_stream = False
    await house.serve(remote("web", modern.url))
    with pytest.raises(DeadlineExceeded, match=r"'web' did not answer tools/call 'slow' within 0.2 s"):
        await house.call("web", "slow", timeout=0.2)
    await asyncio.wait_for(modern.gone.wait(), 10)
    assert not modern.heard("notifications/cancelled")


async def test_cancelling_a_legacy_call_tells_the_server(house: House, legacy: WebServer) -> None:
    await hang(legacy)
    await house.serve(remote("web", legacy.url))
    legacy.told.clear()
    task = asyncio.create_task(house.call("web", "slow"))
    async with asyncio.timeout(10):
        while not legacy.heard("tools/call"):  # noqa: ASYNC110  # a list tells nobody that it grew
            await asyncio.sleep(0)
        task.cancel()
        await legacy.told.wait()
    sent = legacy.heard("tools/call")[0][2]["id"]
    assert legacy.heard("notifications/cancelled")[0][2]["params"]["requestId"] == sent


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_changed_list_is_heard_of(house: House, era: str) -> None:
    async with serving(WebServer(era)) as server:
        await house.serve(remote("web", server.url))
        await asyncio.wait_for(server.stream_opened.wait(), 10)
        server.listed.append({"name": "new"})
        await event(server.streams[0], {"method": "notifications/tools/list_changed"})
        await house.audience.until(lambda: house.audience.tools("web") == ["echo", "new"])
        await house.pool.close(1)


async def test_a_server_without_a_stream_is_served_all_the_same(house: House, legacy: WebServer) -> None:
    legacy.offers_stream = False
    await house.serve(remote("web", legacy.url))
    assert await house.call("web", "echo")
    assert house.status("web").state is State.READY


async def test_a_stream_that_breaks_off_is_taken_up_again_by_its_event_id(house: House, legacy: WebServer) -> None:
    async def broken(request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        response = await open_stream(request)
        await response.write(b"retry: 1\nid: e1\ndata:\n\n")
        legacy.refusal = lambda again: rest(again, message["id"])
        return response

    async def rest(request: web.Request, key: Any) -> web.StreamResponse:
        response = await open_stream(request)
        if request.headers.get("Last-Event-ID") == "e1":
            await event(response, {"id": key, "result": {"resumed": True}})
        return response

    legacy.tools["echo"] = broken
    legacy.offers_stream = False
    await house.serve(remote("web", legacy.url))
    assert await house.call("web", "echo") == {"resumed": True}
    assert len(legacy.heard("tools/call")) == 1
    legacy.refusal = None


async def test_tools_with_an_invalid_header_annotation_are_left_out(
    house: House, modern: WebServer, caplog: pytest.LogCaptureFixture
) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "number", "x-mcp-header": "A"}}}
    modern.listed.append({"name": "bad", "inputSchema": schema})
    with caplog.at_level(logging.WARNING, "toolgate"):
        await house.serve(remote("web", modern.url))
    assert house.audience.tools("web") == ["echo"]
    assert "'bad' is left out" in caplog.text


async def plain(text: str, status: int = 200, **headers: str) -> web.Response:
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(text=text, status=status, headers={"Content-Type": "text/html", **more})


@pytest.mark.parametrize(
    ("status", "headers", "words"),
    [
        (200, {}, "does not speak MCP at http://127.0.0.1"),
        (401, {"WWW_Authenticate": 'Bearer realm="x"'}, "401 Unauthorized; it asks for Bearer credentials"),
        (403, {}, "refuses access"),
        (404, {}, "HTTP+SSE"),
        (302, {"Location": "https://new.example/mcp?token=1"}, "to https://new.example;"),
        (500, {}, "answered 500 Internal Server Error"),
        (429, {}, "answered 429 Too Many Requests"),
    ],
)
async def test_a_url_that_is_no_mcp_server_fails_with_what_it_is(
    house: House, modern: WebServer, status: int, headers: dict[str, str], words: str
) -> None:
    modern.refusal = lambda _: plain("<html>hello</html>", status, **headers)
    await house.serve(remote("web", modern.url + "?key=in-the-query", {"Authorization": "${TOKEN}"}))
    shown = house.status("web")
    assert shown.state is State.FAILING
    assert words in f"{shown.reason} {shown.hint}"
    assert "in-the-query" not in f"{shown}"
    assert "hunter2" not in f"{shown}"
    with pytest.raises(ServerUnavailable, match="'web' is down") as down:
        await house.call("web", "echo")
    assert isinstance(down.value, SignInNeeded) == (status in {401, 403})


async def test_a_url_where_nobody_listens_is_tried_again(house: House) -> None:
    async with serving(WebServer()) as server:
        url = server.url
    await house.serve(remote("web", url))
    assert "cannot be reached at http://127.0.0.1" in house.status("web").reason
    async with serving(WebServer(), int(url.split(":")[2].partition("/")[0])):
        await house.audience.until_state("web", State.READY)
        assert await house.call("web", "echo")
        await house.pool.close(1)


async def test_a_server_that_goes_down_is_failing_from_the_first_refused_connection(house: House) -> None:
    async with serving(WebServer()) as server:
        await house.serve(remote("web", server.url))
    with pytest.raises(ServerUnavailable):
        await house.call("web", "echo", timeout=5)
    await house.audience.until_state("web", State.FAILING)


async def test_a_name_that_does_not_resolve_is_said_so(house: House) -> None:
    await house.serve(remote("web", "http://no-such-host.invalid/mcp"))
    assert "does not resolve" in house.status("web").reason


async def test_a_url_that_hangs_fails_in_time(modern: WebServer) -> None:
    async def never(_: web.Request) -> web.StreamResponse:
        await modern.until_gone()
        raise AssertionError

    modern.refusal = never
    async with clean(House(start_timeout=0.3)) as house:
        began = time.monotonic()
        await house.serve(remote("web", modern.url))
        assert time.monotonic() - began < 5
        assert "did not answer" in house.status("web").reason
        await asyncio.wait_for(modern.gone.wait(), 10)


async def reset(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
    response = await open_stream(request)
    await response.write(b"data: {")
    assert request.transport is not None
    request.transport.abort()
    return response


async def silent_end(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
    return await open_stream(request)


async def html(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
    return await plain("<html>")


async def half(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
    return web.Response(text='{"jsonrpc":', content_type="application/json")


async def accepted(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
    return web.Response(status=202)


async def five_hundred(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
    return await plain("boom", 500)


async def forbidden(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
    return await plain("no", 403)


async def moved(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
    return await plain("", 307, Location="/elsewhere")


async def enormous(_: web.Request, message: dict[str, Any]) -> web.StreamResponse:
    return reply(message["id"], {"blob": "x" * (2 << 20)})


async def enormous_event(request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
    response = await open_stream(request)
    await event(response, {"id": message["id"], "result": {"blob": "x" * (2 << 20)}})
    return response


@pytest.mark.parametrize(
    ("misbehave", "error", "words"),
    [
        (reset, ServerUnavailable, "'web' broke the connection"),
        (silent_end, BrokenReply, "ended the response stream without an answer"),
        (html, BrokenReply, "text/html"),
        (half, BrokenReply, "not MCP"),
        (accepted, BrokenReply, "202"),
        (five_hundred, ServerUnavailable, "'web' answered 500"),
        (forbidden, SignInNeeded, "'web' refuses access"),
        (moved, ServerUnavailable, "redirects"),
        (enormous, ResponseTooLarge, "more than the 1048576"),
        (enormous_event, ResponseTooLarge, "more than the 1048576"),
    ],
)
@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_call_that_goes_wrong_fails_alone_and_is_not_sent_twice(
    house: House, era: str, misbehave: Any, error: type[Exception], words: str
) -> None:
    async with serving(WebServer(era)) as server:
        server.tools["bad"] = misbehave
        await house.serve(remote("web", server.url))
        with pytest.raises(error, match=words):
            await house.call("web", "bad", timeout=10)
        assert len(server.heard("tools/call")) == 1
        assert await house.call("web", "echo")
        assert house.status("web").state is State.READY
        await house.pool.close(1)


async def test_an_error_of_the_server_is_passed_on_as_it_is(house: House, modern: WebServer) -> None:
    await house.serve(remote("web", modern.url))
    sent = await house.of("web").send(make_call("web", "x", method="prompts/get", params={"name": "web__x"}))
    assert sent.is_error
    assert msgspec.json.decode(sent.payload) == {"code": -32601, "message": "no such method"}


async def test_a_credential_that_expires_takes_the_link_down_and_says_so(house: House, modern: WebServer) -> None:
    await house.serve(remote("web", modern.url))
    modern.refusal = lambda _: plain("", 401, WWW_Authenticate="Bearer")
    with pytest.raises(SignInNeeded, match="'web' refuses access"):
        await house.call("web", "echo")
    await house.audience.until_state("web", State.FAILING)


async def test_a_server_that_went_back_to_the_legacy_era_is_probed_again(house: House, modern: WebServer) -> None:
    await house.serve(remote("web", modern.url))
    modern.era = "legacy"
    assert await house.call("web", "echo")
    assert house.status("web").era is Era.LEGACY


async def test_credentials_in_a_url_become_a_header_and_are_never_shown(house: House, modern: WebServer) -> None:
    await house.serve(remote("web", modern.url.replace("http://", "http://someone:hunter2-secret@")))
    assert modern.requests[0][1]["Authorization"] == "Basic c29tZW9uZTpodW50ZXIyLXNlY3JldA=="
    modern.refusal = lambda _: plain("", 500)
    with pytest.raises(ServerUnavailable) as failed:
        await house.call("web", "echo")
    assert "hunter2" not in str(failed.value)


async def test_two_hundred_callers_of_a_cold_server_greet_it_once(house: House, legacy: WebServer) -> None:
    await house.pool.apply([remote("web", legacy.url)])
    await asyncio.gather(*(house.call("web", "echo") for _ in range(200)))
    assert len(legacy.heard("initialize")) == 1
