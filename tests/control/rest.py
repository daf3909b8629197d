"""A gateway that runs, asked by its API."""

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from aiohttp import web

from tests.parts.where import Parts
from tests.peers import HttpPeer, http_peer
from tests.running import RunningGateway
from toolgate.cli.running import RunFile
from toolgate.identity.api_keys import create
from toolgate.store.database import Database
from toolgate.store.keys import Keys

__all__ = [
    "DOWN", "EMPTY", "SECRET", "WITHIN", "Api", "Told", "key", "memory", "own_token", "row", "shows_tools",
    "token_server", "tools",
]  # fmt: skip

SECRET = "correct-horse-battery-staple-92613"
EMPTY: Mapping[str, Any] = {"version": 1, "sources": []}
DOWN = "http://127.0.0.1:9/mcp"  # nothing listens there
WITHIN = 30.0  # seconds
GLANCE = 0.02


def own_token(gateway: RunningGateway) -> str:
    """Written right after the first worker listens, which may be a moment after another answers."""
    until = time.monotonic() + WITHIN
    while (running := RunFile(gateway.folder / "state").read()) is None:
        assert time.monotonic() < until
        time.sleep(GLANCE)
    return running.token


class Told(NamedTuple):
    status: int
    body: Any


class Api:
    """For the caller with this key; without one for this machine's own user, who can read the run's token."""

    def __init__(self, gateway: RunningGateway, key: str = "") -> None:
        self.gateway = gateway
        self._key = key

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key or own_token(self.gateway)}"}

    async def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Told:
        url = self.gateway.url + (path if path.startswith("/") else f"/api/v1/{path}")
        data = None if body is None else json.dumps(body)
        head = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        timeout = aiohttp.ClientTimeout(total=60)
        async with self.gateway.session.request(method, url, data=data, headers=head, timeout=timeout) as response:
            return Told(response.status, await response.json())

    async def install(self, name: str, server: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        told = await self("POST", "connections", {"name": name, "server": server, **more})
        assert told.status == 201, told.body
        made: dict[str, Any] = told.body
        return made

    async def until(self, id_: str, member: str, value: Any) -> dict[str, Any]:
        """The connection, once it is so."""
        async with asyncio.timeout(WITHIN):
            while True:
                found: dict[str, Any] = (await self("GET", f"connections/{id_}")).body
                if found[member] == value:
                    return found
                await asyncio.sleep(GLANCE)

    def peer(self, server: str = "") -> Any:
        return http_peer(self.gateway.endpoint(server), headers=self.headers)


async def tools(peer: HttpPeer) -> set[str]:
    """The names of those that are listed."""
    return {tool["name"] for tool in (await peer.request("tools/list")).result["tools"]}


async def shows_tools(peer: HttpPeer) -> None:
    """Returns when it lists any."""
    async with asyncio.timeout(WITHIN):
        while True:
            if await tools(peer):
                return
            await asyncio.sleep(GLANCE)


def memory(parts: Parts, folder: Path) -> dict[str, Any]:
    command, *args = parts.node("server-memory")
    env = {"MEMORY_FILE_PATH": str(folder / "memory.jsonl"), "API_TOKEN": SECRET}
    return {"command": command, "args": args, "env": env}


def row(folder: Path, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(folder / "state" / "toolgate.db") as database:
        return database.execute(query).fetchall()


async def key(gateway: RunningGateway, name: str, *teams: str) -> str:
    """A new API key, known to the gateway when this returns."""
    database = await Database.open("sqlite", gateway.folder / "state")
    _, made = await create(Keys(database), name, teams=teams)
    await database.close()
    head = {"Authorization": f"Bearer {made.reveal()}"}
    async with asyncio.timeout(WITHIN):
        while True:
            async with gateway.session.get(gateway.url + "/api/v1/version", headers=head) as response:
                if response.status == 200:
                    return made.reveal()
            await asyncio.sleep(GLANCE)


@asynccontextmanager
async def token_server() -> AsyncIterator[str]:
    """A server over HTTP with one tool, for those who bring SECRET as their token."""

    async def answer(request: web.Request) -> web.Response:
        if request.headers.get("X-Token") != SECRET:
            return web.Response(status=401)
        asked = await request.json()
        results = {
            "server/discover": {
                "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}},
                "serverInfo": {"name": "t", "version": "1"}, "resultType": "complete",
            },
            "tools/list": {"tools": [{"name": "hello", "inputSchema": {"type": "object"}}], "resultType": "complete"},
        }  # fmt: skip
        if asked["method"] not in results:
            error = {"code": -32601, "message": "no"}
            return web.json_response({"jsonrpc": "2.0", "id": asked.get("id"), "error": error}, status=404)
        return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": results[asked["method"]]})

    app = web.Application()
    app.router.add_post("/mcp", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/mcp"
    finally:
        await runner.cleanup()
