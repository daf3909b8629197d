"""What lists and introductions say of themselves as a whole."""

import time
from collections.abc import Mapping
from typing import Any

from tests.inbound.conftest import Front, items
from toolgate.catalog.permitted import Permissions
from toolgate.model.freshness import INTRODUCTION, NONE, Freshness, Hint
from toolgate.model.tool import Catalogue, Kind
from toolgate.policy.teams import Rules

OFFERED = {Kind.TOOLS: items(Kind.TOOLS, "look"), Kind.RESOURCES: items(Kind.RESOURCES, "t://b")}
MORE = {
    "tools/list": b'{"odd":1.10,"_meta":{"a/b":1}}',
    INTRODUCTION: b'{"odd":12345678901234567890,"_meta":{"c/d":2}}',
}


def good_for(seconds: float, *, public: bool = True) -> Hint:
    return Hint(time.time(), seconds, public)


async def learn(front: Front, server: str, hints: Mapping[str, Hint], **more: Any) -> None:
    kept = {kind.method: NONE for kind in Kind if kind not in OFFERED} | dict(hints)
    front.catalog.learn(server, Catalogue(OFFERED, {"tools": {}}, {"name": server}, freshness=Freshness(kept), **more))
    await front.catalog.built()


async def told(front: Front, method: str, server: str | None = None, **more: Any) -> dict[str, Any]:
    endpoint = f"/servers/{server}/mcp" if server else "/mcp"
    async with front.modern(method, endpoint=endpoint, **more) as answer:
        result: dict[str, Any] = (await answer.json())["result"]
        return result


def keeping(result: dict[str, Any]) -> tuple[int, str]:
    """Seconds, begun ones included, and the scope."""
    return -(-result["ttlMs"] // 1000), result["cacheScope"]


async def test_one_servers_lists_are_good_for_what_is_left_of_what_it_said(front: Front) -> None:
    hints = {
        "tools/list": Hint(time.time() - 20, 60, public=True),
        "resources/list": Hint(time.time() - 90, 60, public=True),
        INTRODUCTION: good_for(5, public=False),
    }
    await learn(front, "two", hints)
    assert keeping(await told(front, "tools/list", "two")) == (40, "public")
    assert keeping(await told(front, "resources/list", "two")) == (0, "public")
    assert keeping(await told(front, "server/discover", "two")) == (5, "private")
    assert keeping(await told(front, "prompts/list", "two")) == (0, "private"), "a list that it does not have"
    assert keeping(await told(front, "tools/list", "one")) == (0, "private"), "a server that says nothing"


async def test_a_list_of_several_servers_is_good_for_as_long_as_all_say(front: Front) -> None:
    await learn(front, "one", {"tools/list": good_for(60), "resources/list": good_for(60)})
    assert keeping(await told(front, "tools/list")) == (0, "private"), "one of them says nothing"
    await learn(front, "two", {"tools/list": good_for(30), "resources/list": good_for(90, public=False)})
    assert keeping(await told(front, "tools/list")) == (30, "public")
    assert keeping(await told(front, "resources/list")) == (60, "private")


async def test_where_lists_are_filtered_nobody_keeps_them(front: Front) -> None:
    await learn(front, "two", {"tools/list": good_for(60)}, more=MORE)
    permissions: Permissions = front.catalog.permissions
    permissions.configure(Rules({"t": ["two__look"]}))
    whole = await told(front, "tools/list", "two")
    assert keeping(whole) == (0, "private")
    assert whole["odd"] == 1.1


async def test_what_only_the_server_knows_is_told_where_it_is_alone(front: Front) -> None:
    await learn(front, "two", {}, more=MORE)
    listed, greeting = await told(front, "tools/list", "two"), await told(front, "server/discover", "two")
    info = {"io.modelcontextprotocol/serverInfo": {"name": "two"}}
    assert (listed["odd"], listed["_meta"]) == (1.1, {"a/b": 1, **info})
    assert (greeting["odd"], greeting["_meta"]) == (12345678901234567890, {"c/d": 2, **info})
    assert "odd" not in await told(front, "tools/list")
    async with front.modern("tools/list", endpoint="/servers/two/mcp") as answer:
        assert b'"odd":1.10,' in await answer.read(), "as it stood"


async def test_a_legacy_client_is_told_it_too_and_nothing_of_keeping(front: Front) -> None:
    await learn(front, "two", {"tools/list": good_for(60)}, more=MORE)
    endpoint = "/servers/two/mcp"
    opening = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    async with front.post(
        {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": opening}, endpoint=endpoint
    ) as answer:
        greeting = (await answer.json())["result"]
        session = {"Mcp-Session-Id": answer.headers["Mcp-Session-Id"], "MCP-Protocol-Version": "2025-11-25"}
    assert (greeting["odd"], greeting["_meta"]) == (12345678901234567890, {"c/d": 2})
    async with front.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, session, endpoint=endpoint) as answer:
        listed = (await answer.json())["result"]
    assert listed.keys() == {"tools", "odd", "_meta"}
    assert listed["_meta"] == {"a/b": 1}
