"""Web APIs through the whole gateway, as the official SDK's client sees them in both eras."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp import Client, MCPError

from tests.conftest import StartGateway
from tests.running import RunningGateway
from tests.upstream.graphql import shop
from tests.upstream.openapi import api
from toolgate.model.names import MAX_EXPOSED

ENV = {"TOKEN": "hunter2-secret"}


@pytest.fixture
async def pets() -> AsyncIterator[api.Api]:
    async with api.serving(api.Api(api.PETSTORE.read_bytes())) as served:
        yield served


@pytest.fixture
async def gateway(start_gateway: StartGateway, pets: api.Api) -> AsyncIterator[RunningGateway]:
    async with shop.serving(shop.Shop()) as endpoint:
        servers: dict[str, Any] = {
            "pets": {"openapi": f"{pets.url}/openapi", "auth": {"key": "${TOKEN}"}, "exclude": ["DELETE *"]},
            "shop": {"graphql": endpoint.url, "headers": {"Authorization": "Bearer ${TOKEN}"}},
            "down": {"openapi": "./none.yaml", "url": "http://127.0.0.1:1"},
        }
        gateway = await start_gateway({"version": 1, "sources": [], "servers": servers}, env=ENV)
        await gateway.settled("pets", "shop")
        yield gateway


async def test_clients_of_both_eras_call_them(gateway: RunningGateway) -> None:
    for mode in ("auto", "legacy"):
        async with Client(gateway.endpoint(), mode=mode, cache=None) as client:
            await _use(client)


async def test_many_calls_at_once_get_their_own_answers(gateway: RunningGateway, pets: api.Api) -> None:
    pets.pets |= {n: {"id": n, "name": f"pet {n}"} for n in range(2, 102)}
    async with Client(gateway.endpoint("pets"), cache=None) as client:
        results = await asyncio.gather(*(client.call_tool("showPet", {"petId": str(n)}) for n in range(2, 102)))
    assert [(result.structured_content or {})["name"] for result in results] == [f"pet {n}" for n in range(2, 102)]


async def test_the_api_and_the_command_line_say_what_they_are(gateway: RunningGateway) -> None:
    status = await gateway.status()
    assert {name: server["transport"] for name, server in status.items()} == {
        "pets": "openapi", "shop": "graphql", "down": "openapi",
    }  # fmt: skip
    assert (status["pets"]["tools"], status["pets"]["era"]) == (4, "modern")
    down = (await gateway.settled("down", state="failing"))["down"]
    assert "No such file" in down["reason"]
    assert ENV["TOKEN"] not in gateway.errors() + str(status)


async def _use(client: Client) -> None:
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert {"pets__listPets", "pets__addPet", "pets__showPet", "pets__showPhoto", "shop__order"} <= set(tools)
    assert not {name for name in tools if "delete" in name or len(name) > MAX_EXPOSED}
    added = await client.call_tool("pets__addPet", {"body": {"name": "Tom"}})
    assert added.structured_content is not None
    assert added.structured_content["name"] == "Tom"
    photo = (await client.call_tool("pets__showPhoto", {"petId": 1})).content[0]
    assert photo.type == "image"
    missing = await client.call_tool("pets__showPet", {"petId": "99"})
    assert missing.is_error
    refused = await client.call_tool("pets__addPet", {"body": {"name": ""}})
    assert refused.is_error
    assert "do not fit" in str(refused.content[0])
    order = await client.call_tool("shop__order", {"id": "o1", "select": "id status"})
    assert order.structured_content == {"order": {"id": "o1", "status": "OPEN"}}
    with pytest.raises(MCPError):
        await client.call_tool("pets__none", {})
