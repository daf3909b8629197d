"""As a new user would: from nothing to a working tool, by the command line and by REST alone."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import pytest
from aiohttp import web

from tests.control.rest import Api
from tests.parts.where import Parts
from tests.running import TOOLGATE, RunningGateway, clean_environment, running_gateway
from tests.sources.registry_double import registry_double
from tests.upstream.openapi.api import PETSTORE

GOOD: Final = "token-that-is-right"
WRONG: Final = "token-that-is-wrong"
MODERN: Final = "2026-07-28"
CARD: Final = """\
name: folders
title: Folders
description: Files in a folder of yours.
category: files
inputs:
  - {{name: path, title: Folder, kind: path, help: The folder.}}
server:
  command: {command}
  args: [{script}, "{{{{path}}}}"]
  sandbox:
    mounts: [{{path: "{{{{path}}}}", writable: true}}]
tried: {{how: listed, on: 2026-11-21}}
"""


class Person(Protocol):
    """Somebody at a gateway who installs things."""

    async def connect(self, card: str, name: str, **values: str) -> str:
        """Empty, or why it is not connected."""
        ...

    async def call(self, server: str, tool: str, **arguments: str) -> str: ...


class Typing:
    """By the command line."""

    def __init__(self, gateway: RunningGateway) -> None:
        self._gateway = gateway

    async def connect(self, card: str, name: str, **values: str) -> str:
        given = [word for pair in values.items() for word in ("--set", "=".join(pair))]
        code, out, err = await self._run("connect", card, "--as", name, *given)
        assert GOOD not in out + err
        assert WRONG not in out + err
        return err if code else ""

    async def call(self, server: str, tool: str, **arguments: str) -> str:
        code, out, err = await self._run("call", f"{server}__{tool}", *("=".join(pair) for pair in arguments.items()))
        assert code == 0, err
        return out

    async def _run(self, *words: str) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            TOOLGATE,
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=clean_environment(self._gateway.folder),
            cwd=self._gateway.folder,
        )
        out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()


class Curling:
    """By REST alone."""

    def __init__(self, gateway: RunningGateway) -> None:
        self._api = Api(gateway)

    async def connect(self, card: str, name: str, **values: str) -> str:
        made = await self._api("POST", "connections", {"card": card, "name": name, "values": values})
        assert made.status == 201, made.body
        assert GOOD not in json.dumps(made.body)
        tried = (await self._api("POST", f"connections/{made.body['id']}/test")).body
        if not tried["ok"]:
            assert (await self._api("DELETE", f"connections/{made.body['id']}")).status == 200
            return f"{tried['error']['message']} {tried['error']['hint']}"
        await self._api.until(made.body["id"], "state", "running")
        return ""

    async def call(self, server: str, tool: str, **arguments: str) -> str:
        envelope = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        name = f"{server}__{tool}"
        params = {"_meta": envelope, "name": name, "arguments": arguments}
        head = {"MCP_Protocol_Version": MODERN, "Mcp_Method": "tools/call", "Mcp_Name": name}
        both = {"Accept": "application/json, text/event-stream", "Content_Type": "application/json"}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        told = await self._api("POST", "/mcp", body, **head, **both)
        assert told.status == 200, told.body
        return json.dumps(told.body["result"])


@pytest.fixture(params=[Typing, Curling])
async def person(request: pytest.FixtureRequest, tmp_path: Path, parts: Parts) -> AsyncIterator[Person]:
    command, script, *_ = parts.node("server-filesystem")
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "folders.yaml").write_text(CARD.format(command=command, script=script))
    async with running_gateway({"version": 1, "sources": [], "cards": "cards"}, tmp_path) as gateway:
        yield request.param(gateway)


@asynccontextmanager
async def vendor(tools: Mapping[str, str]) -> AsyncIterator[str]:
    """A vendor's own server, for those who bring the right token: what it tells to whom calls a tool."""

    async def answer(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {GOOD}":
            return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
        asked = await request.json()
        match asked["method"]:
            case "server/discover":
                result: dict[str, Any] = {"supportedVersions": [MODERN], "capabilities": {"tools": {}}}
            case "tools/list":
                result = {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in tools]}
            case _:
                result = {"content": [{"type": "text", "text": tools[asked["params"]["name"]]}]}
        told = {"jsonrpc": "2.0", "id": asked["id"], "result": {**result, "resultType": "complete"}}
        return web.json_response(told)

    app = web.Application()
    app.router.add_post("/mcp", answer)
    async with serving(app) as url:
        yield f"{url}/mcp"


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_a_vendors_server_refuses_a_token_and_takes_another(person: Person) -> None:
    async with vendor({"get_me": "octocat"}) as url:
        refused = await person.connect("github", "github", url=url, token=WRONG)
        assert "refuses access" in refused
        assert await person.connect("github", "github", url=url, token=GOOD) == ""
        assert "octocat" in await person.call("github", "get_me")


async def test_a_folder_is_served_that_was_named(person: Person, tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "hello.txt").write_text("good morning")
    assert await person.connect("folders", "notes", path=str(folder)) == ""
    assert "good morning" in await person.call("notes", "read_text_file", path=str(folder / "hello.txt"))
    await person.call("notes", "write_file", path=str(folder / "new.txt"), content="written")
    assert (folder / "new.txt").read_text() == "written"


async def test_the_operations_of_a_web_api_become_tools(person: Person) -> None:
    async def pet(request: web.Request) -> web.Response:
        return web.json_response({"id": int(request.match_info["id"]), "name": "Rex"})

    async def description(request: web.Request) -> web.Response:
        return web.Response(body=PETSTORE.read_bytes(), content_type="application/yaml")

    app = web.Application()
    app.router.add_get("/openapi.yaml", description)
    app.router.add_get("/v1/pets/{id}", pet)
    async with serving(app) as url:
        assert await person.connect("custom-openapi", "pets", description=f"{url}/openapi.yaml", url=f"{url}/v1") == ""
        assert "Rex" in await person.call("pets", "showPet", petId="7")


async def test_an_entry_of_the_registry_is_found_and_connected(tmp_path: Path) -> None:
    async with vendor({"forecast": "rain"}) as url:
        header = {"name": "Authorization", "value": "Bearer {token}", "variables": {"token": {"isSecret": True}}}
        remote = {"type": "streamable-http", "url": url, "headers": [{**header, "isRequired": True}]}
        entry = {"name": "com.example/weather", "description": "Weather", "version": "1.0.0", "remotes": [remote]}
        with registry_double([entry]) as registry:
            config = {"version": 1, "sources": [], "registry": registry.url}
            async with running_gateway(config, tmp_path) as gateway:
                person = Typing(gateway)
                assert await person.connect("com.example/weather", "weather", token=GOOD) == ""
                assert "rain" in await person.call("weather", "forecast")
