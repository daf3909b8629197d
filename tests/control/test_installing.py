"""Servers installed by the API alone, in a gateway that runs."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import psutil

from tests.conftest import StartGateway
from tests.control.rest import DOWN, EMPTY, SECRET, WITHIN, Api, key, memory, row, shows_tools, token_server
from tests.parts.where import Parts
from tests.real.conftest import fixture_server
from tests.running import RunningGateway, running_gateway


async def test_from_nothing_to_a_tool_call_and_over_a_restart_to_nothing(parts: Parts, tmp_path: Path) -> None:
    async with running_gateway(EMPTY, tmp_path) as gateway:
        api = Api(gateway)
        body = {"name": "notes", "title": "My notes", "server": memory(parts, tmp_path)}
        first = await api("POST", "connections", body, Idempotency_Key="one")
        again = await api("POST", "connections", body, Idempotency_Key="one")
        assert (first.status, again) == (201, first)
        made = first.body
        assert (made["owner"], made["server"], made["created_by"]) == ("", "notes", "local user")
        assert SECRET not in json.dumps(made)
        tried = (await api("POST", f"connections/{made['id']}/test")).body
        assert tried["ok"], tried
        assert "read_graph" in tried["tools"]
        await api.until(made["id"], "state", "running")
        async with api.peer() as peer:
            answer = await peer.request("tools/call", {"name": "notes__read_graph", "arguments": {}})
            assert answer.result["content"][0]["type"] == "text"
        assert "read_graph" in (await api.until(made["id"], "usage_count", 1))["tools"]
        listed = (await api("GET", f"connections/{made['id']}/tools")).body["tools"]
        assert {tool["name"] for tool in listed} == set(tried["tools"])
        health = (await api("GET", "connections/health")).body
        assert (health["status"], health["states"]["running"]) == ("healthy", 1)
        assert health["connections"][0]["response_ms"] > 0
    assert row(tmp_path, "SELECT status, usage_count FROM mcp_connections") == [("running", 1)]
    assert row(tmp_path, "SELECT tool, usage_count FROM mcp_tool_usage") == [("read_graph", 1)]

    async with running_gateway(EMPTY, tmp_path) as gateway:
        api = Api(gateway)
        kept = await api.until(made["id"], "state", "running")
        assert (kept["title"], kept["usage_count"]) == ("My notes", 1)
        async with api.peer("notes") as peer:
            assert (await peer.request("tools/call", {"name": "read_graph", "arguments": {}})).result["content"]
        [server] = _node(gateway)
        assert (await api("DELETE", f"connections/{made['id']}")).body == {"removed": made["id"]}
        await asyncio.to_thread(psutil.wait_procs, [server], timeout=WITHIN)
        assert not server.is_running()
        assert "notes" not in await gateway.status()
        assert (await api("GET", f"connections/{made['id']}")).status == 404
        output = "\n".join(gateway.output)
    assert row(tmp_path, "SELECT count(*) FROM vault UNION ALL SELECT count(*) FROM mcp_connections") == [(0,), (0,)]
    assert SECRET not in output
    assert _files_with(SECRET, tmp_path) == []


def _files_with(text: str, folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and text.encode() in file.read_bytes()]


def _node(gateway: RunningGateway) -> list[psutil.Process]:
    """The servers themselves, without what walls them in."""
    return [child for child in gateway.children() if child.name() == "node" and not child.children()]


async def test_keys_install_what_the_operators_setting_lets_them(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(EMPTY)
    alice, local = Api(gateway, await key(gateway, "alice")), Api(gateway)
    own = {"name": "x", "server": {"command": "sh", "args": ["-c", "id"]}}
    refused = await alice("POST", "connections", own)
    assert (refused.status, "access.install" in refused.body["error"]["message"]) == (403, True)
    folder = await alice("POST", "connections", {"card": "filesystem", "values": {"path": "/etc"}})
    assert (folder.status, "`path` of filesystem" in folder.body["error"]["message"]) == (403, True)
    stolen = {"card": "github", "values": {"token": "${DATABASE_PASSWORD}"}}
    assert (await alice("POST", "connections", stolen)).status == 403
    github = await alice("POST", "connections", {"card": "github", "values": {"token": SECRET}})
    assert (github.status, github.body["inputs"]["token"]) == (201, "***")
    given = await local("POST", "connections", {**own, "owner": "user:alice"})
    assert (given.status, given.body["owner"]) == (201, "user:alice")


async def test_fifty_that_come_at_once_are_all_installed_and_each_only_once(start_gateway: StartGateway) -> None:
    api = Api(await start_gateway(EMPTY))
    names = [f"server-{number % 50}" for number in range(100)]
    server = {"url": DOWN, "headers": {"X-Token": SECRET}}
    answers = await asyncio.gather(*(api("POST", "connections", {"name": name, "server": server}) for name in names))
    assert sorted(answer.status for answer in answers) == [201] * 50 + [409] * 50
    assert len(await api.gateway.status()) == 50
    assert len((await api("GET", "connections")).body["connections"]) == 50


async def test_what_is_killed_half_way_leaves_no_row_without_its_secret_and_no_secret_without_its_row(
    tmp_path: Path,
) -> None:
    async def install(api: Api, number: int) -> str:
        told = await api("POST", "connections", {"name": f"s-{number}", "server": server})
        return str(told.body["id"])

    server = {"url": DOWN, "headers": {"X-A": SECRET, "X-B": SECRET + "b"}}
    done: set[str] = set()
    async with running_gateway(EMPTY, tmp_path) as gateway:
        api = Api(gateway)
        installing = [asyncio.create_task(install(api, number)) for number in range(60)]
        for first in asyncio.as_completed(installing):
            done.add(await first)
            if len(done) >= 5:
                break
        gateway.signal(signal.SIGKILL)
        await gateway.process.wait()
        for ended in await asyncio.gather(*installing, return_exceptions=True):
            done |= {ended} if isinstance(ended, str) else set()

    kept = {str(id_): json.loads(definition) for id_, definition in
            row(tmp_path, "SELECT id, definition FROM mcp_connections")}  # fmt: skip
    sealed = {str(name) for (name,) in row(tmp_path, "SELECT name FROM vault")}
    named = {text[len("${vault:") : -len("@1}")] for one in kept.values() for text in one["headers"].values()}
    assert done <= kept.keys()  # what was told to be installed is
    assert named == sealed
    assert len(sealed) == 2 * len(kept)
    async with running_gateway(EMPTY, tmp_path) as gateway:
        assert len((await Api(gateway)("GET", "connections")).body["connections"]) == len(kept)


async def test_a_master_key_that_is_lost_is_told_at_the_server_and_no_other_is_made(tmp_path: Path) -> None:
    async with token_server() as url:
        guarded = {"url": url, "headers": {"X-Token": SECRET}}
        async with running_gateway(EMPTY, tmp_path) as gateway:
            made = await Api(gateway).install("guarded", guarded)
            await Api(gateway).until(made["id"], "state", "running")
        file = tmp_path / "state" / "vault.key"
        assert file.stat().st_mode & 0o777 == 0o600
        file.unlink()
        async with running_gateway(EMPTY, tmp_path) as gateway:
            api = Api(gateway)
            failing = await api.until(made["id"], "state", "error")
            assert "headers/X-Token cannot be opened: the vault's master key is not there" in failing["reason"]
            assert str(file) in failing["hint"]
            assert (await api("POST", "connections", {"name": "n", "server": {"url": url}})).status == 201  # no secret
            refused = await api("POST", "connections", {"name": "m", "server": guarded})
            assert (refused.status, refused.body["error"]["code"]) == (500, "vault-locked")
            assert len((await api("GET", "connections")).body["connections"]) == 2
        assert not file.exists()


async def test_several_workers_serve_what_one_of_them_was_told_to_install(start_gateway: StartGateway) -> None:
    async with fixture_server([sys.executable, "-m", "tests.parts.fixture_servers.modern_http"]) as url:
        gateway = await start_gateway(EMPTY, "--workers", "2")
        api = Api(gateway)
        made = await api.install("fixture", {"url": url})
        for _ in range(6):  # connections in turn, to both
            async with api.peer("fixture") as peer:
                await shows_tools(peer)
        assert (await api("DELETE", f"connections/{made['id']}")).status == 200
        for _ in range(6):
            assert (await api("POST", "/servers/fixture/mcp", {})).status == 404
