import json
from typing import Any

import pytest

from tests.cli.stub import Asked, stub_gateway
from toolgate.cli.client import AnswerError, Api, Mcp
from toolgate.cli.outcome import GatewayMissingError
from toolgate.cli.running import Endpoint

TOOL: dict[str, Any] = {
    "name": "größe",
    "inputSchema": {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}},
}


def result(asked: Asked, value: dict[str, Any]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": asked["body"]["id"], "result": value}).encode()


def test_all_pages_of_tools_are_read() -> None:
    pages = {None: (["a", "b"], "more"), "more": (["c"], None)}

    def script(asked: Asked) -> tuple[int, str, bytes]:
        names, cursor = pages[asked["body"]["params"].get("cursor")]
        value: dict[str, Any] = {"resultType": "complete", "tools": [{"name": name} for name in names]}
        return 200, "application/json", result(asked, value | ({"nextCursor": cursor} if cursor else {}))

    with stub_gateway(script) as (url, requests):
        assert [tool["name"] for tool in Mcp(Endpoint(url, "")).tools()] == ["a", "b", "c"]
    assert "authorization" not in requests[0]["headers"]


def test_a_call_mirrors_what_the_revision_asks_for_into_headers() -> None:
    def script(asked: Asked) -> tuple[int, str, bytes]:
        return 200, "application/json; charset=utf-8", result(asked, {"content": []})

    with stub_gateway(script) as (url, requests):
        assert Mcp(Endpoint(url, "tg_key")).call(TOOL, {"region": "eu"}) == {"content": []}
    (asked,) = requests
    headers, meta = asked["headers"], asked["body"]["params"]["_meta"]
    assert headers["authorization"] == "Bearer tg_key"
    assert headers["mcp-protocol-version"] == meta["io.modelcontextprotocol/protocolVersion"] == "2026-07-28"
    assert headers["mcp-method"] == asked["body"]["method"] == "tools/call"
    assert headers["mcp-name"] == "=?base64?Z3LDtsOfZQ==?="
    assert headers["mcp-param-region"] == "eu"
    assert meta["io.modelcontextprotocol/clientCapabilities"] == {}


def test_progress_on_a_stream_is_told_before_the_result() -> None:
    steps: list[tuple[float, float | None, str]] = []

    def script(asked: Asked) -> tuple[int, str, bytes]:
        token = asked["body"]["params"]["_meta"]["progressToken"]
        params = {"progressToken": token, "progress": 1, "total": 2, "message": "half"}
        progress = json.dumps({"jsonrpc": "2.0", "method": "notifications/progress", "params": params}).encode()
        events = b": hello\n\ndata: " + progress + b"\n\nevent: message\ndata: " + result(asked, {"content": []})
        return 200, "text/event-stream", events + b"\n\n"

    with stub_gateway(script) as (url, _):
        answer = Mcp(Endpoint(url, "")).call(TOOL, {}, lambda *step: steps.append(step))
    assert (answer, steps) == ({"content": []}, [(1, 2, "half")])


def test_an_error_of_the_gateway_comes_with_its_hint() -> None:
    def script(asked: Asked) -> tuple[int, str, bytes]:
        error = {"code": -31001, "message": "server 'git' is down", "data": {"hint": "install git"}}
        return 200, "application/json", json.dumps({"jsonrpc": "2.0", "id": 1, "error": error}).encode()

    with stub_gateway(script) as (url, _), pytest.raises(AnswerError) as raised:
        Mcp(Endpoint(url, "")).call(TOOL, {})
    assert (raised.value.message, raised.value.hint, raised.value.reason) == (
        "server 'git' is down",
        "install git",
        -31001,
    )


def test_a_result_that_asks_for_input_is_refused_in_words() -> None:
    def script(asked: Asked) -> tuple[int, str, bytes]:
        return 200, "application/json", result(asked, {"resultType": "input_required"})

    with stub_gateway(script) as (url, _), pytest.raises(AnswerError, match="input_required"):
        Mcp(Endpoint(url, "")).call(TOOL, {})


def test_the_control_api_is_asked_and_its_errors_are_told() -> None:
    def script(asked: Asked) -> tuple[int, str, bytes]:
        if asked["path"] == "/api/v1/servers":
            return 200, "application/json", b'{"servers": [{"name": "git"}]}'
        return 404, "application/json", b'{"error": {"code": "not-found", "message": "there is none", "hint": "look"}}'

    with stub_gateway(script) as (url, requests):
        assert Api(Endpoint(url, "")).servers() == [{"name": "git"}]
        with pytest.raises(AnswerError, match="there is none"):
            Api(Endpoint(url, "")).server("a/b")
    assert requests[1]["path"] == "/api/v1/servers/a%2Fb"


def test_what_is_no_gateway_is_told_so() -> None:
    with stub_gateway(lambda _: (200, "text/html", b"<html>")) as (url, _), pytest.raises(AnswerError, match="not a g"):
        Api(Endpoint(url, "")).servers()
    with pytest.raises(GatewayMissingError, match="no gateway answers"):
        Api(Endpoint(url, "")).servers()


def test_a_stream_that_ends_half_way_is_told() -> None:
    stream = (200, "text/event-stream", b": nothing\n\n")
    with stub_gateway(lambda _: stream) as (url, _), pytest.raises(AnswerError, match="half-way"):
        Mcp(Endpoint(url, "")).tools()
