"""What lives in one worker is reached through every other."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.peers import LEGACY
from tests.workers.lines import Line, owned_by
from tests.workers.pair import Workers, workers

DEMO = {"command": sys.executable, "args": ["-m", "toolgate.demo.server"]}
FIRST, SECOND = owned_by(0), owned_by(1)
HEAD = {"Accept": "application/json, text/event-stream"}
HELLO = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Workers]:
    file = tmp_path / "toolgate.yaml"
    file.write_text(json.dumps({"version": 1, "sources": [], "servers": {FIRST: DEMO, SECOND: DEMO}}))
    async with workers(file) as opened:
        yield opened


def request(key: int, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": key, "method": method, "params": params or {}}


async def test_messages_of_an_sse_connection_find_it_from_both(pair: Workers) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{pair.url}/sse", headers=HEAD) as stream:
        address = await _data(stream)
        for key, (method, params) in enumerate([("initialize", HELLO), ("ping", {}), ("tools/list", {}), ("ping", {})]):
            async with http.post(f"{pair.url}{address}", json=request(key, method, params)) as taken:
                assert taken.status == 202, await taken.text()
            assert json.loads(await _data(stream))["id"] == key


async def _data(stream: aiohttp.ClientResponse) -> str:
    async with asyncio.timeout(10):
        while True:
            line = (await stream.content.readline()).decode()
            if line.startswith("data: "):
                return line.removeprefix("data: ").strip()


async def test_a_session_ends_for_both(pair: Workers) -> None:
    async with aiohttp.ClientSession(headers=HEAD) as http:
        async with http.post(f"{pair.urls[1]}/mcp", json=request(1, "initialize", HELLO)) as opened:
            session = {"Mcp-Session-Id": opened.headers["Mcp-Session-Id"]}
        for url in pair.urls:
            async with http.post(f"{url}/mcp", json=request(2, "tools/list"), headers=session) as listed:
                assert len((await listed.json())["result"]["tools"]) == 8
        async with http.delete(f"{pair.urls[0]}/mcp", headers=session) as ended:
            assert ended.status == 204
        for url in pair.urls:
            async with http.post(f"{url}/mcp", json=request(3, "tools/list"), headers=session) as refused:
                assert refused.status == 404


async def test_a_session_is_not_brought_to_a_worker_that_its_client_made_up(pair: Workers) -> None:
    async with aiohttp.ClientSession(headers=HEAD) as http:
        async with http.post(f"{pair.urls[1]}/mcp", json=request(1, "initialize", HELLO)) as opened:
            token = opened.headers["Mcp-Session-Id"]
        assert token.startswith("1.")
        for forged in (f"0.{token[2:]}", f"7.{token[2:]}", token[2:], "1.nonsense"):
            async with http.post(
                f"{pair.urls[0]}/mcp", json=request(2, "ping"), headers={"Mcp-Session-Id": forged}
            ) as refused:
                assert refused.status == 404, forged


async def test_a_client_that_cancels_at_one_worker_stops_the_call_at_the_other(pair: Workers) -> None:
    call = {"name": f"{SECOND}__countdown", "arguments": {"start": 50, "interval": 0.1}, "_meta": {"progressToken": 1}}
    async with aiohttp.ClientSession(headers=HEAD) as http:
        async with http.post(f"{pair.urls[1]}/mcp", json=request(1, "initialize", HELLO)) as opened:
            session = {"Mcp-Session-Id": opened.headers["Mcp-Session-Id"]}
        async with http.post(f"{pair.urls[0]}/mcp", json=request(2, "tools/call", call), headers=session) as stream:
            assert "notifications/progress" in await _message(stream)
            cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}}
            async with http.post(f"{pair.urls[0]}/mcp", json=cancelled, headers=session) as taken:
                assert taken.status == 202
            async with asyncio.timeout(3):
                await stream.read()
        await _until(pair, under_way=0)


async def test_a_modern_client_that_goes_away_cancels_over_the_hop(pair: Workers) -> None:
    line = Line(f"{pair.urls[0]}/mcp", "")
    call = asyncio.create_task(line.call(f"{SECOND}__countdown", start=50, interval=0.1))
    await _until(pair, under_way=1)
    call.cancel()
    await line.close()
    await _until(pair, under_way=0)
    await asyncio.gather(call, return_exceptions=True)


async def _until(pair: Workers, under_way: int) -> None:
    async with asyncio.timeout(5):
        while pair.gateways[1]._pool.under_way(SECOND) != under_way:  # noqa: ASYNC110  # a count, which wakes nobody
            await asyncio.sleep(0)


async def _message(stream: aiohttp.ClientResponse) -> str:
    while not (data := await _data(stream)):
        continue
    return data


async def test_nobody_without_the_password_gets_in(pair: Workers) -> None:
    doors = pair.gateways[0]._crew.seat.doors  # type: ignore[union-attr]
    connector = aiohttp.UnixConnector(doors.requests_of(1))
    async with aiohttp.ClientSession(connector=connector) as http:
        for head in ({}, {"X-Toolgate-Worker": "guess"}):
            async with http.get("http://localhost/api/v1/servers", headers=head) as refused:
                assert refused.status == 403
    reader, writer = await asyncio.open_unix_connection(doors.calls_of(1))
    writer.write(b"\0\0\0\x09" + b"\x93\x01\xa5guess\x00")
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()
    assert Path(doors.calls_of(1)).parent.stat().st_mode & 0o777 == 0o700


async def test_the_api_tells_the_same_everywhere(pair: Workers) -> None:
    line = Line(f"{pair.urls[0]}/mcp", "")
    for server in (FIRST, SECOND):
        await line.call(f"{server}__echo", text="x")
    await line.close()
    async with aiohttp.ClientSession() as http:
        for url in pair.urls:
            async with http.get(f"{url}/api/v1/servers") as answer:
                servers = (await answer.json())["servers"]
            assert [(server["state"], server["calls"], server["tools"]) for server in servers] == [("ready", 1, 4)] * 2
            async with http.get(f"{url}/api/v1/health") as answer:
                assert (await answer.json())["status"] == "healthy"
