"""What belongs to no request: updates of resources, and lists that changed."""

import pytest

from tests.peers import LEGACY
from tests.transparency.offer import ODD
from tests.transparency.pair import Pair
from tests.transparency.scripted import META

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_update_of_a_resource_arrives(pair: Pair) -> None:
    uri = f"{pair.name}://z"
    async with pair.open(fresh=True) as client, client.listening({"resourceSubscriptions": [uri]}) as messages:
        if pair.client_era == LEGACY:
            await client.request("resources/subscribe", {"uri": uri})
        else:
            honoured = (await anext(messages))["params"]["notifications"]
            assert honoured == {"resourceSubscriptions": [uri]}
        await pair.server.announce("notifications/resources/updated", {"uri": uri, "x": ODD, "_meta": {"m": ODD}})
        heard = await anext(messages)
    mine = {} if pair.client_era == LEGACY else {f"{META}subscriptionId": "my listen"}
    assert heard["method"] == "notifications/resources/updated"
    assert heard["params"] == {"uri": uri, "x": ODD, "_meta": {"m": ODD, **mine}}


@pytest.mark.parametrize("kind", ["tools", "prompts", "resources"])
async def test_a_changed_list_is_told_and_reads_differently(pair: Pair, kind: str) -> None:
    name = f"new-{pair.client_era}-{pair.way}"
    new = {"uri": f"{pair.name}://{name}", "name": name, "inputSchema": {"type": "object"}, "x": ODD}
    wanted = {f"{kind}ListChanged": True}
    async with pair.open(fresh=True) as client, client.listening(wanted) as messages:
        if pair.client_era != LEGACY:
            assert (await anext(messages))["params"]["notifications"] == wanted
        pair.server.offer.pages[f"{kind}/list"][-1][kind].append(new)
        await pair.server.announce(f"notifications/{kind}/list_changed", {})
        assert (await anext(messages))["method"] == f"notifications/{kind}/list_changed"
        listed = (await client.request(f"{kind}/list")).result[kind]
    assert listed[-1] == new
