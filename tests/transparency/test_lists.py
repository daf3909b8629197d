"""What a server offers is listed as the server lists it, and the server is introduced as it introduces itself."""

import pytest

from tests.peers import MODERN
from tests.transparency.offer import LISTS
from tests.transparency.pair import Pair
from tests.transparency.proofs import listed
from tests.transparency.scripted import META

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("method", LISTS)
async def test_all_pages_are_listed_in_order_and_whole(pair: Pair, method: str) -> None:
    expected = [item for page in pair.server.offer.pages[method] for item in page[LISTS[method]]]
    async with pair.open() as client:
        assert await listed(client, method) == expected


@pytest.mark.parametrize("method", LISTS)
async def test_the_one_endpoint_changes_names_alone(pair: Pair, method: str) -> None:
    expected = [item for page in pair.server.offer.pages[method] for item in page[LISTS[method]]]
    if method in {"tools/list", "prompts/list"}:
        expected = [{**item, "name": f"{pair.name}__{item['name']}"} for item in expected]
    async with pair.open(one_endpoint=True) as client:
        found = await listed(client, method)
    assert [item for item in found if item in expected] == expected


async def test_the_server_introduces_itself(pair: Pair) -> None:
    offer = pair.server.offer
    async with pair.open() as client:
        said = client.greeting
    info = said["_meta"][f"{META}serverInfo"] if pair.client_era == MODERN else said["serverInfo"]
    assert info == offer.server_info
    assert said["instructions"] == offer.instructions
    assert said["capabilities"] == offer.capabilities
