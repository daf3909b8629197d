"""Calls of a legacy session that go without a task: they end as the client or the session's end wants it."""

from pathlib import Path

import pytest

from tests.inbound.express import Answer, Client, House, opened
from tests.inbound.far import Heard, hang

_OPENING = (
    b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":'
    b'{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"raw","version":"1"}}}'
)
_CALL = b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"one__echo","arguments":{}}}'
_CANCELLED = b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":4}}'


async def _told(client: Client, method: str, body: bytes, lines: str) -> Answer:
    _send(client, method, body, lines)
    return await client.receive()


def _send(client: Client, method: str, body: bytes, lines: str) -> None:
    head = (
        f"{method} /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json, text/event-stream\r\n"
        f"Content-Type: application/json\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
    )
    client.send(head.encode() + body)


async def _under_way(house: House, client: Client) -> tuple[Heard, str]:
    """A call of a session that waits for its server without a task, and the session's lines."""
    opening = await _told(client, "POST", _OPENING, "")
    token = next(pair[1] for pair in opening.headers if pair[0] == "mcp-session-id")
    lines = f"Mcp-Session-Id: {token}\r\nMCP-Protocol-Version: 2025-11-25\r\n"
    for number in (2, 3):
        assert (await _told(client, "POST", _CALL % number, lines)).message["id"] == number
    house.far.script = hang
    house.far.forget()
    _send(client, "POST", _CALL % 4, lines)
    heard = await house.far.call()
    assert house.took[-2:] == [True, True]
    return heard, lines


async def _outcomes(house: House) -> list[str]:
    return [record["outcome"] for record in await house.audit()]


async def test_a_result_is_given(tmp_path: Path) -> None:
    async with opened(tmp_path) as house, house.client() as client:
        heard, _ = await _under_way(house, client)
        heard.give()
        assert "result" in (await client.receive()).message
        assert house.is_empty()
        assert await _outcomes(house) == ["ok", "ok", "ok"]


@pytest.mark.parametrize(("method", "body"), [("DELETE", b""), ("POST", _CANCELLED)])
async def test_a_call_ends_with_its_session_or_as_its_client_wants(tmp_path: Path, method: str, body: bytes) -> None:
    async with opened(tmp_path) as house, house.client() as client, house.client() as other:
        heard, lines = await _under_way(house, client)
        _send(other, method, body, lines)
        assert (await other.head()).startswith(b"HTTP/1.1 20")
        await heard.gone()
        assert b'"result"' not in (await client.receive()).body
        assert house.is_empty()
        assert await _outcomes(house) == ["ok", "ok", "cancelled"]
