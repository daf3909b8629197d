"""What a server says to nobody in particular is heard at every worker."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.peers import LEGACY, MODERN
from tests.transparency.client import open_client
from tests.transparency.offer import offer
from tests.transparency.scripted import Scripted
from tests.transparency.wires import stdio_server
from tests.workers.pair import Workers, workers

Scene = tuple[Workers, Scripted]


@pytest.fixture(params=[MODERN, LEGACY])
async def scene(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    server = Scripted(request.param, offer("scripted"))
    async with stdio_server(server) as definition:
        file = tmp_path / "toolgate.yaml"
        file.write_text(json.dumps({"version": 1, "sources": [], "servers": {"scripted": definition}}))
        async with workers(file) as opened:
            yield opened, server


@pytest.mark.parametrize("era", [MODERN, LEGACY])
async def test_a_list_that_changed_is_told_at_every_worker(scene: Scene, era: str) -> None:
    pair, server = scene
    async with AsyncExitStack() as stack, asyncio.timeout(20):
        clients = [await stack.enter_async_context(open_client(f"{url}/mcp", era)) for url in pair.urls]
        streams = [await stack.enter_async_context(client.listening({"toolsListChanged": True})) for client in clients]
        if era == MODERN:
            for stream in streams:
                assert (await anext(stream))["method"] == "notifications/subscriptions/acknowledged"
        server.offer.pages["tools/list"][-1]["tools"].append({"name": "new", "inputSchema": {"type": "object"}})
        await server.announce("notifications/tools/list_changed", {})
        for client, stream in zip(clients, streams, strict=True):
            assert (await anext(stream))["method"] == "notifications/tools/list_changed"
            names = [tool["name"] for tool in (await client.request("tools/list")).result["tools"]]
            assert names[-1] == "scripted__new"


@pytest.mark.parametrize("era", [MODERN, LEGACY])
async def test_a_resource_that_was_updated_is_told_at_every_worker(scene: Scene, era: str) -> None:
    pair, server = scene
    uri = "scripted://z"
    async with AsyncExitStack() as stack, asyncio.timeout(20):
        urls = [f"{url}/servers/scripted/mcp" for url in pair.urls]
        clients = [await stack.enter_async_context(open_client(url, era)) for url in urls]
        streams = [
            await stack.enter_async_context(client.listening({"resourceSubscriptions": [uri]})) for client in clients
        ]
        for client, stream in zip(clients, streams, strict=True):
            if era == LEGACY:
                await client.request("resources/subscribe", {"uri": uri})
            else:
                assert (await anext(stream))["params"]["notifications"] == {"resourceSubscriptions": [uri]}
        await server.announce("notifications/resources/updated", {"uri": uri})
        for stream in streams:
            assert (await anext(stream))["params"]["uri"] == uri
