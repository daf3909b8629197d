"""What was installed by the API in a gateway that runs, for whom, and what is told of it."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.control.rest import DOWN, EMPTY, SECRET, WITHIN, Api, key, token_server, tools
from tests.running import RunningGateway, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningGateway]:
    """One for all tests here. Keys may install anything."""
    config = {**EMPTY, "access": {"install": "anything"}, "servers": {"shared": {"url": DOWN}}}
    async with running_gateway(config, tmp_path_factory.mktemp("gateway")) as running:
        yield running


async def test_a_server_that_cannot_be_used_says_why_when_it_is_tested(gateway: RunningGateway) -> None:
    api = Api(gateway)
    made = await api.install("down", {"url": DOWN, "headers": {"Authorization": f"Bearer {SECRET}"}})
    tried = (await api("POST", f"connections/{made['id']}/test")).body
    assert not tried["ok"]
    assert tried["error"]["code"] == "server-unavailable"
    assert "127.0.0.1:9" in tried["error"]["message"]
    assert SECRET not in json.dumps(tried)
    failing = await api.until(made["id"], "state", "error")
    assert failing["reason"]
    health = (await api("GET", "connections/health?owner=")).body
    assert (health["status"], health["connections"][0]["last_error"] != "") == ("unhealthy", True)


async def test_a_secret_that_is_changed_reaches_the_server_and_the_old_one_is_gone(gateway: RunningGateway) -> None:
    async with token_server() as url:
        api = Api(gateway)
        server = {"url": url, "headers": {"X-Token": "wrong"}}
        made = await api.install("guarded", server)
        tried = (await api("POST", f"connections/{made['id']}/test")).body
        assert tried["error"]["code"] == "sign-in-needed"
        server = {"url": url, "headers": {"X-Token": SECRET}}
        changed = await api("PATCH", f"connections/{made['id']}", {"server": server, "title": "Guarded"})
        assert (changed.status, changed.body["title"]) == (200, "Guarded")
        assert (await api("POST", f"connections/{made['id']}/test")).body["ok"]
        await api.until(made["id"], "state", "running")
        await api("DELETE", f"connections/{made['id']}")


async def test_what_was_installed_for_a_key_is_that_keys_alone(gateway: RunningGateway) -> None:
    async with token_server() as url:
        alice, bob, local = (
            Api(gateway, await key(gateway, "alice")),
            Api(gateway, await key(gateway, "bob")),
            Api(gateway),
        )
        made = await alice.install("mail", {"url": url, "headers": {"X-Token": SECRET}})
        server = made["server"]
        assert (made["owner"], made["created_by"], server != "mail") == ("user:alice", "key alice", True)
        await alice.until(made["id"], "state", "running")

        async with alice.peer() as peer:
            assert await tools(peer) == {f"{server}__hello"}
        for other in (bob, local):
            async with other.peer() as peer:
                assert await tools(peer) == set()
                answer = await peer.request("tools/call", {"name": f"{server}__hello", "arguments": {}})
                assert "error" in answer.message
            told = await other("POST", f"/servers/{server}/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
            assert told.status == 404

        path = f"connections/{made['id']}"
        for method, what in [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/test"), ("GET", "/tools"),
                             ("POST", "/stop"), ("GET", "/logs"), ("GET", "/timeline")]:  # fmt: skip
            assert (await bob(method, path + what, {} if method != "GET" else None)).status == 404, (method, what)
        for what in ("", "/timeline", "/logs"):
            assert (await bob("GET", f"servers/{server}{what}")).status == 404
        assert (await bob("POST", f"servers/{server}/stop")).status == 404
        assert (await bob("POST", "servers/shared/stop")).status == 403
        assert (await bob("GET", "connections")).body == {"connections": []}
        assert (await bob("GET", "connections?owner=user:alice")).status == 403
        for listing in ("servers", "health"):
            assert server not in json.dumps((await bob("GET", listing)).body)
            assert server in json.dumps((await alice("GET", listing)).body)
            assert server in json.dumps((await local("GET", listing)).body)
        assert (await local("DELETE", path)).status == 200


async def test_a_team_has_what_one_of_it_installed(gateway: RunningGateway) -> None:
    alice = Api(gateway, await key(gateway, "dora", "platform"))
    carol = Api(gateway, await key(gateway, "carol", "platform"))
    made = await alice.install("wiki", {"url": DOWN}, team="platform")
    assert made["owner"] == "team:platform"
    assert (await carol("GET", f"connections/{made['id']}")).status == 200
    told = await carol("POST", "connections", {"name": "x", "server": {"url": DOWN}, "team": "support"})
    assert (told.status, told.body["error"]["code"]) == (403, "forbidden")
    twice = await carol("POST", "connections", {"name": "wiki", "server": {"url": DOWN}, "team": "platform"})
    assert (twice.status, twice.body["error"]["code"]) == (409, "conflict")
    own = await carol.install("wiki", {"url": DOWN})
    assert own["server"] != made["server"]


async def test_the_configuration_wins_a_clash_and_the_connection_says_so(gateway: RunningGateway) -> None:
    made = await Api(gateway).install("shared", {"url": "http://127.0.0.1:10/mcp"})
    assert made["state"] == "error"
    assert "the configuration has a server named shared" in made["reason"]
    assert (await gateway.status())["shared"]["source"] == "toolgate.yaml"


async def test_changes_are_told_as_they_happen(gateway: RunningGateway) -> None:
    api = Api(gateway)
    async with asyncio.timeout(WITHIN), gateway.session.get(gateway.url + "/api/v1/events") as response:
        assert response.content_type == "text/event-stream"
        events = _events(response.content)
        assert (await anext(events))[0] == "ready"
        made = await api.install("seen", {"url": DOWN})
        await api("DELETE", f"connections/{made['id']}")
        heard = [await anext(events)]
        while heard[-1][1].get("change") != "removed":
            heard.append(await anext(events))
    assert ("connection", "installed") in [(name, what.get("change")) for name, what in heard]
    assert ("server", "seen") in [(name, what["server"]) for name, what in heard]


async def _events(content: Any) -> Any:
    name = ""
    async for line in content:
        if line.startswith(b"event: "):
            name = line[7:].decode().strip()
        elif line.startswith(b"data: "):
            yield name, json.loads(line[6:])


async def test_accounts_do_the_same_in_their_own_words(gateway: RunningGateway) -> None:
    api, root = Api(gateway), "/functions/v1/mcp-connections/"
    asked = {"mcp_server_id": "github", "account_id": "acct_1", "title": "Code",
             "provided_credential_schema": {"token": SECRET, "url": DOWN}}  # fmt: skip
    told = await api("POST", root + "install", asked, Idempotency_Key="one")
    assert told.status == 201, told.body
    assert (await api("POST", root + "install", asked, Idempotency_Key="one")).body == told.body
    made = told.body
    assert made.keys() >= {"mcp_server_id", "account_id", "title", "provided_credential_schema"}
    assert (made["account_id"], made["provided_credential_schema"]["token"]) == ("user:acct_1", "***")
    assert made["status"] in {"mcpPending", "mcpDeploying", "mcpError"}
    await api.until(made["connection_id"], "state", "error")
    named = {"mcp_server_id": "github", "account_id": "acct_1"}
    health = (await api("GET", root + "health?account_id=acct_1")).body
    assert (health["status"], health["connections"][0]["state"]) == ("unhealthy", "mcpError")
    tried = (await api("POST", root + "test", named)).body
    assert (tried["test"]["ok"], tried["status"]) == (False, "mcpError")
    assert (await api("POST", root + "stop", named)).body["status"] == "mcpStopped"
    assert (await api("POST", root + "start", named)).body["status"] in {"mcpDeploying", "mcpError"}
    assert "lines" in (await api("POST", root + "logs", named)).body
    assert (await api("POST", root + "update", {**named, "title": "New"})).body["title"] == "New"
    assert (await api("POST", root + "remove", named)).body == {"removed": made["connection_id"]}
    assert (await api("POST", root + "remove", named)).status == 404


async def test_a_card_that_was_added_is_installed_from(gateway: RunningGateway) -> None:
    alice, bob = Api(gateway, await key(gateway, "erin")), Api(gateway, await key(gateway, "frank"))
    card = {"name": "ours", "title": "Ours", "description": "Our own.", "category": "own",
            "inputs": [{"name": "token", "kind": "secret"}],
            "server": {"url": DOWN, "headers": {"Authorization": "Bearer {{token}}"}}}  # fmt: skip
    assert (await alice("POST", "cards", {"card": card})).status == 201
    assert "ours" in {one["name"] for one in (await alice("GET", "cards")).body["cards"]}
    assert (await bob("GET", "cards/ours")).status == 404
    made = await alice("POST", "connections", {"card": "ours", "values": {"token": SECRET}})
    assert (made.status, made.body["name"]) == (201, "ours")
    assert (await alice("POST", "cards", {"card": {**card, "name": "github"}})).status == 400
    assert (await alice("DELETE", "cards/ours")).status == 200
    assert (await alice("GET", "cards/ours")).status == 404


async def test_who_shows_nothing_does_not_choose_what_is_run(gateway: RunningGateway) -> None:
    """Without a key any user of this machine comes in."""
    body = {"name": "mine", "server": {"command": "true"}}
    async with gateway.session.post(f"{gateway.url}/api/v1/connections", json=body) as response:
        told = await response.json()
    assert (response.status, told["error"]["code"]) == (403, "forbidden")
    assert "toolgate connect" in told["error"]["hint"]
    made = await Api(gateway).install("mine", {"command": "true"})
    await Api(gateway)("DELETE", f"connections/{made['id']}")
