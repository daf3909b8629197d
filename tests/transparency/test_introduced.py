"""How the two sides introduce themselves: a server to clients of both eras, and a client to a modern server."""

import json
from contextlib import AsyncExitStack
from math import isinf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.exact import Number, exact
from tests.peers import LEGACY, MODERN
from tests.transparency.client import open_client
from tests.transparency.conftest import opened_gateway
from tests.transparency.drawn import drawn
from tests.transparency.every import every
from tests.transparency.offer import LISTS
from tests.transparency.pair import PAIRS, Pair, name_of
from tests.transparency.proofs import cycled
from tests.transparency.schema import published
from tests.transparency.scripted import META, Offer, Scripted
from tests.transparency.test_generated import generated
from tests.transparency.wires import http_server
from tests.transparency.wording import written

pytestmark = pytest.mark.asyncio(loop_scope="module")

Message = dict[str, Any]


async def introductions_arrive(
    factory: pytest.TempPathFactory, era: str, capabilities: list[Message], infos: list[Message]
) -> None:
    """Each a server of its own. The gateway introduces each of them at its own door.

    It reads introductions and words them anew, so numbers arrive as doubles hold them. A server that declares nothing
    is left out here: the gateway cannot tell it from one that it knows nothing of yet.
    """
    capabilities, infos = [finite(each) for each in capabilities if each] or [{"logging": {}}], [*map(finite, infos)]
    most = max(len(capabilities), len(infos))
    pages: dict[str, list[Message]] = {method: [{key: []}] for method, key in LISTS.items()}
    offers = [
        Offer(mine, info, f"Read {number}.\u2028", pages)
        for number, (mine, info) in enumerate(zip(cycled(capabilities, most), cycled(infos, most), strict=True))
    ]
    servers = {f"s{number}": Scripted(era, offer) for number, offer in enumerate(offers)}
    async with AsyncExitStack() as stack:
        definitions = {name: await stack.enter_async_context(http_server(server)) for name, server in servers.items()}
        url = await stack.enter_async_context(opened_gateway(factory.mktemp("introduced"), definitions))
        for name, server in servers.items():
            for client_era in (LEGACY, MODERN):
                async with open_client(f"{url}/servers/{name}/mcp", client_era) as client:
                    said = client.greeting
                info = said["_meta"][f"{META}serverInfo"] if client_era == MODERN else said["serverInfo"]
                assert doubles(info) == doubles(server.offer.server_info)
                assert said["instructions"] == server.offer.instructions
                assert doubles(said["capabilities"]) == doubles(mirrored(server.offer.capabilities))


def mirrored(capabilities: Message) -> Message:
    """The gateway tells of every change of a list, and of no tasks (docs/reference/eras.md)."""
    declared = {name: value for name, value in capabilities.items() if name != "tasks"}
    for name in declared.keys() & {"tools", "prompts", "resources"}:
        kept = {key: value for key, value in declared[name].items() if (key, value) != ("subscribe", False)}
        declared[name] = {**kept, "listChanged": True}
    return declared


def finite(value: Any) -> Any:
    match value:
        case dict():
            return {name: finite(member) for name, member in value.items()}
        case list():
            return [*map(finite, value)]
        case Number() if isinf(float(value.text)):
            return Number("1.5")
        case _:
            return value


def doubles(value: Any) -> Any:
    return json.loads(written(value), parse_int=float, parse_float=float)


@pytest.mark.parametrize("era", [LEGACY, MODERN])
async def test_every_member_of_an_introduction_arrives(tmp_path_factory: pytest.TempPathFactory, era: str) -> None:
    schema = published(era)
    capabilities, infos = (every(schema, schema.definitions[name]) for name in ("ServerCapabilities", "Implementation"))
    await introductions_arrive(tmp_path_factory, era, capabilities, infos)


@pytest.mark.parametrize("era", [LEGACY, MODERN])
@settings(generated, max_examples=4)
@given(data=st.data())
async def test_any_introduction_arrives(
    tmp_path_factory: pytest.TempPathFactory, era: str, data: st.DataObject
) -> None:
    schema = published(era)
    capabilities, infos = (
        data.draw(st.lists(drawn(schema, schema.definitions[name]), min_size=6, max_size=6))
        for name in ("ServerCapabilities", "Implementation")
    )
    await introductions_arrive(tmp_path_factory, era, capabilities, infos)


@pytest.mark.parametrize(
    "pair", [each for each in PAIRS if each.server == "modern" and each.way != "stdio"], indirect=True, ids=name_of
)
async def test_every_capability_of_a_client_reaches_a_modern_server(pair: Pair) -> None:
    schema = published(pair.client_era)
    for capabilities in every(schema, schema.definitions["ClientCapabilities"]):
        async with pair.open(capabilities) as client:
            _, turn = await pair.returned(client, "tools/call", {"name": "zebra"}, {"content": []})
        found = turn.params["_meta"][f"{META}clientCapabilities"]
        if pair.client_era == MODERN:
            assert found == exact(written(capabilities))
        else:
            # Only what changes what a server may do: clients that can be asked the same share a link.
            assert found == {name: value for name, value in exact(written(capabilities)).items() if name != "unknown"}
