"""A gateway in front of five scripted servers: each era over stdio and Streamable HTTP, the legacy over HTTP+SSE."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.transparency.offer import offer
from tests.transparency.pair import ERAS, PAIRS, SERVERS, Ends, Kept, Pair, name_of
from tests.transparency.scripted import Scripted
from tests.transparency.wires import http_server, sse_server, stdio_server
from toolgate.config.load import Loaded, load
from toolgate.gateway import Gateway
from toolgate.inbound.serve import serve

__all__ = ["House", "house", "kept", "opened_gateway", "pair", "scripted_servers"]

_WIRES = {"stdio": stdio_server, "http": http_server, "sse": sse_server}


@dataclass
class House:
    url: str
    servers: Mapping[str, Scripted]


@asynccontextmanager
async def scripted_servers() -> AsyncIterator[tuple[dict[str, Scripted], dict[str, Any]]]:
    """By their names, `{era}-{wire}`, and how a configuration says where they are."""
    servers = {f"{era}-{wire}": Scripted(ERAS[era], offer(f"{era}-{wire}")) for era, wire in SERVERS}
    async with AsyncExitStack() as stack:
        definitions = {
            name: await stack.enter_async_context(_WIRES[name.partition("-")[2]](server))
            for name, server in servers.items()
        }
        yield servers, definitions


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("transparency")
    async with scripted_servers() as (servers, definitions), opened_gateway(folder, definitions) as url:
        yield House(url, servers)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kept(house: House, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Kept]:
    async with AsyncExitStack() as stack:
        yield Kept(tmp_path_factory.mktemp("clients"), stack)


@asynccontextmanager
async def opened_gateway(folder: Path, definitions: Mapping[str, Any]) -> AsyncIterator[str]:
    """The URL of a gateway in front of these servers."""
    file = folder / "toolgate.yaml"
    file.write_text(json.dumps({"version": 1, "sources": [], "servers": definitions, "limits": {"cache_bytes": 0}}))
    async with AsyncExitStack() as stack:
        yield await _serving(stack, file)


async def _serving(stack: AsyncExitStack, file: Path) -> str:
    """The URL of a gateway with this document, which serves until the stack is left."""

    def read() -> Loaded:
        return load(file, env={"PATH": os.environ["PATH"]}, home=file.parent, cwd=file.parent)

    gateway = await Gateway.open(read(), read=read, state=file.parent / "state")
    stack.push_async_callback(gateway.close, 1)
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as the command that serves does
    stop, listening = asyncio.Event(), asyncio.Event()
    serving = asyncio.create_task(serve(gateway, sock, stop=stop, drain=1, listening=listening.set))

    async def end() -> None:
        stop.set()
        await asyncio.wait_for(serving, 20)

    stack.push_async_callback(end)
    await asyncio.wait_for(listening.wait(), 20)
    await gateway.settled(20)
    return f"http://127.0.0.1:{sock.getsockname()[1]}"


@pytest.fixture(params=PAIRS, ids=name_of)
def pair(house: House, kept: Kept, request: pytest.FixtureRequest) -> Pair:
    ends: Ends = request.param
    name = f"{ends.server}-{ends.wire}"
    server = house.servers[name]
    server.received.clear()
    return Pair(name, house.url, ERAS[ends.client], ends.way, server, kept)
