"""Every tool, prompt and resource of a real server is offered, and answers, through the gateway as it does directly."""

from typing import Any

import pytest

from tests.peers import LEGACY, MODERN, HttpPeer, http_peer
from tests.real.compare import LISTS, listed, offered, progress, same
from tests.real.conftest import House
from tests.real.servers import NAMES, RealServer

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("version", [MODERN, LEGACY]),
    pytest.mark.parametrize("name", NAMES),
]


async def test_the_servers_own_endpoint_lists_what_the_server_lists(house: House, name: str, version: str) -> None:
    server = house.servers[name]
    direct = await house.direct(server)
    async with http_peer(house.gateway.endpoint(name), version=version) as through:
        for kind in LISTS:
            assert await listed(through, kind) == await listed(direct, kind)


async def test_the_one_endpoint_lists_it_under_prefixed_names(house: House, name: str, version: str) -> None:
    server = house.servers[name]
    direct = await house.direct(server)
    async with http_peer(house.gateway.endpoint(), version=version) as through:
        for kind, (_, key) in LISTS.items():
            expected = [prefixed(server, key, item) for item in await listed(direct, kind)]
            wanted = {item[key] for item in expected}
            assert [item for item in await listed(through, kind) if item[key] in wanted] == expected


def prefixed(server: RealServer, key: str, item: dict[str, Any]) -> dict[str, Any]:
    return {**item, key: (server.exposed if key == "name" else server.address)(item[key])}


async def test_the_servers_own_endpoint_answers_as_the_server_does(house: House, name: str, version: str) -> None:
    async with http_peer(house.gateway.endpoint(name), version=version) as through:
        await compare(house, house.servers[name], through, exposed=False)


async def test_the_one_endpoint_answers_as_the_server_does(house: House, name: str, version: str) -> None:
    async with http_peer(house.gateway.endpoint(), version=version) as through:
        await compare(house, house.servers[name], through, exposed=True)


async def compare(house: House, server: RealServer, through: HttpPeer, *, exposed: bool) -> None:
    """Ask everything directly, then everything through the gateway: both meet the same state at each step."""
    direct = await house.direct(server)
    server.reset()
    answers = [await direct.request(sample.method, sample.params) for sample in server.samples]
    server.reset()
    for sample, expected in zip(server.samples, answers, strict=True):
        asked = sample.under(server.exposed, server.address) if exposed else sample
        found = await through.request(asked.method, asked.params)
        same(expected, found, sample.level, link=direct.version, client=through.version)
        if through.version == direct.version:
            assert progress(found) == progress(expected)


async def test_nothing_that_the_server_offers_is_left_out(house: House, name: str, version: str) -> None:
    server = house.servers[name]
    direct = await house.direct(server)
    templates = {item["uriTemplate"] for item in await listed(direct, "resourceTemplates")}
    asked = {sample.offered for sample in server.samples} | server.apart
    assert await offered(direct) - templates <= asked
    assert all(any(uri.startswith(template.partition("{")[0]) for uri in asked) for template in templates)


async def test_the_servers_own_endpoint_introduces_itself_as_the_server(house: House, name: str, version: str) -> None:
    server = house.servers[name]
    direct = await house.direct(server)
    async with http_peer(house.gateway.endpoint(name), version=version) as through:
        assert through.greeting.server_info == direct.greeting.server_info
        assert through.greeting.instructions == direct.greeting.instructions
