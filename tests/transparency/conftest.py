"""A gateway in front of four scripted servers: each era, over stdio and over Streamable HTTP."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.exact import exact
from tests.peers import LEGACY, MODERN
from tests.transparency.client import Client, Heard, open_client
from tests.transparency.eras import expected_error, expected_result
from tests.transparency.offer import offer
from tests.transparency.scripted import Refused, Scripted, Turn
from tests.transparency.wires import http_server, stdio_server
from tests.transparency.wording import written
from toolgate.config.load import Loaded, load
from toolgate.gateway import Gateway
from toolgate.inbound.serve import serve

_ERAS = {"modern": MODERN, "legacy": LEGACY}
_WIRES = {"stdio": stdio_server, "http": http_server}
PAIRS = [(client, server, wire) for client in _ERAS for server in _ERAS for wire in _WIRES]


@dataclass
class House:
    url: str
    servers: Mapping[str, Scripted]


@dataclass
class Pair:
    """A client of one era in front, a server of one era behind; `name` is the server's."""

    name: str
    url: str
    client_era: str
    server: Scripted

    def open(
        self, capabilities: Mapping[str, Any] | None = None, *, one_endpoint: bool = False
    ) -> AbstractAsyncContextManager[Client]:
        url = f"{self.url}/mcp" if one_endpoint else f"{self.url}/servers/{self.name}/mcp"
        return open_client(url, self.client_era, capabilities)

    async def returned(
        self, client: Client, method: str, params: Mapping[str, Any], result: dict[str, Any]
    ) -> tuple[Heard, Turn]:
        """Make the request, let the server answer it with `result`, and prove that this is what arrives."""
        if self.server.era == MODERN:
            result = {"resultType": "complete", **result}
        text = written(result)
        turns: list[Turn] = []

        async def script(turn: Turn) -> str:
            turns.append(turn)
            return text

        self.server.script = script
        heard = await client.request(method, params)
        wanted = expected_result(result, method, self.server.era, self.client_era, self.server.offer.server_info)
        assert heard.result == exact(written(wanted))
        if self.server.era == self.client_era:
            assert b'"result":' + text.encode() in heard.raw
        return heard, turns[-1]

    async def refused(self, client: Client, method: str, params: Mapping[str, Any], error: dict[str, Any]) -> None:
        """The same for an error."""

        async def script(turn: Turn) -> str:
            raise Refused(written(error))

        self.server.script = script
        heard = await client.request(method, params)
        assert heard.error == exact(written(expected_error(error, self.server.era, self.client_era)))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("transparency")
    servers = {f"{era}-{wire}": Scripted(_ERAS[era], offer(f"{era}-{wire}")) for era in _ERAS for wire in _WIRES}
    async with AsyncExitStack() as stack:
        definitions = {
            name: await stack.enter_async_context(_WIRES[name.partition("-")[2]](server))
            for name, server in servers.items()
        }
        file = folder / "toolgate.yaml"
        file.write_text(json.dumps({"version": 1, "sources": [], "servers": definitions, "limits": {"cache_bytes": 0}}))
        yield House(await _serving(stack, file), servers)


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


def name_of(pair: tuple[str, str, str]) -> str:
    client, server, wire = pair
    return f"{client}-client-{server}-{wire}-server"


@pytest.fixture(params=PAIRS, ids=name_of)
def pair(house: House, request: pytest.FixtureRequest) -> Pair:
    client, era, wire = request.param
    name = f"{era}-{wire}"
    server = house.servers[name]
    server.received.clear()
    return Pair(name, house.url, _ERAS[client], server)
