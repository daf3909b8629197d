"""One gateway in front of all the real servers, for all tests of a module."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from tests.parts.where import ROOT, Parts
from tests.peers import Peer, http_peer, stdio_peer
from tests.real.servers import RealServer, real_servers
from tests.running import RunningGateway, clean_environment, running_gateway

_PAGE = """<!doctype html><title>Gates</title><h1>Gates</h1>
<p>There are two gates, the <b>north</b> gate and the <i>south</i> gate. Both are closed at night.</p>"""


@dataclass
class House:
    """The gateway, the servers behind it, and a direct line to each."""

    gateway: RunningGateway
    servers: Mapping[str, RealServer]
    stack: AsyncExitStack
    lines: dict[str, Peer] = field(default_factory=dict)

    async def direct(self, server: RealServer) -> Peer:
        """A line past the gateway. It stays open, so that a server that counts counts the same on both."""
        if server.name not in self.lines:
            self.lines[server.name] = await self.stack.enter_async_context(self._line(server))
        return self.lines[server.name]

    def _line(self, server: RealServer) -> AbstractAsyncContextManager[Peer]:
        if isinstance(server.start, str):
            return http_peer(server.start, version=server.speaks)
        env = {**clean_environment(self.gateway.folder), **server.env, **server.private}
        return stdio_peer([*server.start], version=server.speaks, env=env)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("house")
    async with AsyncExitStack() as stack:
        page = await stack.enter_async_context(serving_a_page())
        modern = await stack.enter_async_context(
            fixture_server([sys.executable, "-m", "tests.parts.fixture_servers.modern_http"])
        )
        legacy = await stack.enter_async_context(fixture_server(parts.python1("tests.parts.mcp1.legacy_http")))
        servers = real_servers(parts, folder, page, modern, legacy)
        config: dict[str, Any] = {
            "version": 1,
            "sources": [],
            "servers": {name: server.config for name, server in servers.items()},
            "limits": {"cache_bytes": 0},  # each answer is compared with one of the server's own at that moment
        }
        gateway = await stack.enter_async_context(running_gateway(config, folder))
        await gateway.settled(*servers)
        yield House(gateway, servers, stack)


@asynccontextmanager
async def fixture_server(command: list[str]) -> AsyncIterator[str]:
    """Its URL, which it says itself once it listens."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=ROOT
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            line = await process.stdout.readline()
        yield line.decode().strip()
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def serving_a_page() -> AsyncIterator[str]:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text=_PAGE, content_type="text/html")

    application = web.Application()
    application.router.add_get("/page", page)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert runner.addresses
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/page"
    finally:
        await runner.cleanup()
