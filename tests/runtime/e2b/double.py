"""E2B on loopback, built from the vendor's `openapi.yml` and `process.proto`: the API of sandboxes, and envd in each.

It keeps nothing apart: what is started in a sandbox is a child process here."""

import asyncio
import base64
import json
import shutil
import struct
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any, Self
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from tests.runtime.e2b.commands import Command

__all__ = ["KEY", "E2bDouble", "Held"]

KEY = "e2b_" + "0" * 40
_ENVD = "0.6.5"
_LAST = 0x02  # flag of the envelope that ends a stream


@dataclass
class Held:
    """One sandbox."""

    id: str
    asked: dict[str, Any]
    token: str
    home: Path
    state: str = "running"
    timeouts: list[int] = field(default_factory=list)
    network: dict[str, Any] = field(default_factory=dict)
    commands: dict[int, Command] = field(default_factory=dict)
    pauses: list[bool] = field(default_factory=list)
    """Of each pause, whether memory was kept."""

    @property
    def metadata(self) -> dict[str, str]:
        return dict(self.asked.get("metadata", {}))

    async def kill_commands(self) -> None:
        for command in [*self.commands.values()]:
            await command.kill()
        self.commands.clear()


class E2bDouble:
    """`sandboxes` are there now, `seen` were ever. A test may put answers to creations into `refusals`, and clear
    `answers` to let the API wait."""

    def __init__(self) -> None:
        self.sandboxes: dict[str, Held] = {}
        self.seen: list[Held] = []
        self.templates = {"base"}
        self.refusals: list[web.Response] = []
        self.asked = 0
        self.creations = 0
        self.has_reboot = True
        """Whether filesystem-only snapshots are known."""
        self.page = 100
        self.answers = asyncio.Event()
        self.answers.set()
        self.changed = asyncio.Condition()
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2**26, middlewares=[self._guard])
        one = "/sandboxes/{id}"
        app.add_routes([
            web.post("/v2/sandboxes", self._create),
            web.get("/v2/sandboxes", self._list),
            web.delete(one, self._kill),
            web.post(f"{one}/pause", self._pause),
            web.post(f"/v2{one}/connect", self._connect),
            web.post(f"{one}/timeout", self._timeout),
            web.put(f"{one}/network", self._network),
            web.get("/health", self._health),
            web.post("/process.Process/Start", self._start),
            web.post("/process.Process/List", self._unary(self._processes)),
            web.post("/process.Process/SendInput", self._unary(self._input)),
            web.post("/process.Process/CloseStdin", self._unary(self._close_input)),
            web.post("/process.Process/SendSignal", self._unary(self._signal)),
        ])  # fmt: skip
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        for held in [*self.sandboxes.values()]:
            await self.drop(held)
        await self._runner.cleanup()

    async def drop(self, held: Held) -> None:
        """As when a machine dies: nobody is told."""
        self.sandboxes.pop(held.id, None)
        await held.kill_commands()
        await asyncio.to_thread(shutil.rmtree, held.home, ignore_errors=True)
        await self._tell()

    async def until(self, true: Callable[[], bool], seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds), self.changed:
            await self.changed.wait_for(true)

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path.startswith("/process.") or request.path == "/health":
            return await handler(request)
        await request.read()  # as a service does that answers late
        self.asked += 1
        await self._tell()
        await self.answers.wait()
        if request.headers.get("X-API-KEY") != KEY:
            return _error(401, "Invalid API key format")
        try:
            answer = await handler(request)
        except KeyError:
            return _error(404, "sandbox not found")
        await self._tell()
        return answer

    # The API

    async def _create(self, request: web.Request) -> web.Response:
        self.creations += 1
        if self.refusals:
            return self.refusals.pop(0)
        asked = await request.json()
        if asked["templateID"] not in self.templates:
            return _error(404, f"template '{asked['templateID']}' not found")
        held = Held(token_hex(10), asked, token_hex(16), Path(await asyncio.to_thread(tempfile.mkdtemp)))
        held.network = asked.get("network", {})
        held.timeouts.append(asked["timeout"])
        self.sandboxes[held.id] = held
        self.seen.append(held)
        return web.json_response(_sandbox(held), status=201)

    async def _list(self, request: web.Request) -> web.Response:
        wanted = {unquote(name): unquote(value) for name, value in parse_qsl(request.query.get("metadata", ""))}
        found = [held for held in self.sandboxes.values() if wanted.items() <= held.metadata.items()]
        begin = int(request.query.get("nextToken", "0"))
        end = begin + self.page
        headers = {"X-Next-Token": str(end)} if end < len(found) else {}
        return web.json_response([_listed(held) for held in found[begin:end]], headers=headers)

    async def _kill(self, request: web.Request) -> web.Response:
        await self.drop(self.sandboxes[request.match_info["id"]])
        return web.Response(status=204)

    async def _pause(self, request: web.Request) -> web.Response:
        held = self.sandboxes[request.match_info["id"]]
        memory = (await request.json()).get("memory", True)
        if not memory and not self.has_reboot:
            return _error(400, "filesystem-only snapshots are not enabled for the team")
        if held.state == "paused":
            return _error(409, "sandbox is paused already")
        held.state = "paused"
        held.pauses.append(memory)
        await held.kill_commands()
        return web.Response(status=204)

    async def _connect(self, request: web.Request) -> web.Response:
        held = self.sandboxes[request.match_info["id"]]
        asked = await request.json()
        if asked.get("memory") is False and not self.has_reboot:
            return _error(400, "filesystem-only resume is not enabled for the team")
        status, held.state = 200 if held.state == "running" else 201, "running"
        held.timeouts.append(asked["timeout"])
        return web.json_response(_sandbox(held), status=status)

    async def _timeout(self, request: web.Request) -> web.Response:
        self.sandboxes[request.match_info["id"]].timeouts.append((await request.json())["timeout"])
        return web.Response(status=204)

    async def _network(self, request: web.Request) -> web.Response:
        self.sandboxes[request.match_info["id"]].network = await request.json()
        return web.Response(status=204)

    # envd, and the proxy before it

    def _of(self, request: web.Request) -> Held | None:
        held = self.sandboxes.get(request.headers.get("E2b-Sandbox-Id", ""))
        return held if held is not None and held.state == "running" else None

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response(status=204) if self._of(request) else _gone()

    async def _start(self, request: web.Request) -> web.StreamResponse:
        held = self._of(request)
        if held is None:
            return _gone()
        if request.headers.get("X-Access-Token") != held.token:
            return _error(401, "unauthenticated")
        asked = json.loads((await request.read())[5:])
        response = web.StreamResponse(headers={"Content-Type": "application/connect+json"})
        await response.prepare(request)
        try:
            command = await Command.start(asked, held.home)
        except FileNotFoundError as error:
            await response.write(_envelope({"error": {"code": "invalid_argument", "message": str(error)}}, _LAST))
            return response
        held.commands[command.pid] = command
        await response.write(_envelope({"event": {"start": {"pid": command.pid}}}))
        while (event := await command.event()) is not None:
            if self._of(request) is None:
                if request.transport is not None:
                    request.transport.abort()  # its machine is gone, and says nothing
                return response
            await response.write(_envelope({"event": event}))
        held.commands.pop(command.pid, None)
        await response.write(_envelope({}, _LAST))
        return response

    def _unary(
        self, method: Callable[[Held, dict[str, Any]], Awaitable[dict[str, Any]]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            held = self._of(request)
            if held is None:
                return _gone()
            try:
                return web.json_response(await method(held, await request.json()))
            except KeyError:
                return web.json_response({"code": "not_found", "message": "process not found"}, status=404)

        return answer

    async def _processes(self, held: Held, _: dict[str, Any]) -> dict[str, Any]:
        return {"processes": [{"pid": command.pid, "config": command.config} for command in held.commands.values()]}

    async def _input(self, held: Held, asked: dict[str, Any]) -> dict[str, Any]:
        with suppress(ConnectionError):  # it ended
            await _selected(held, asked).write(base64.b64decode(asked["input"]["stdin"]))
        return {}

    async def _close_input(self, held: Held, asked: dict[str, Any]) -> dict[str, Any]:
        _selected(held, asked).close_input()
        return {}

    async def _signal(self, held: Held, asked: dict[str, Any]) -> dict[str, Any]:
        _selected(held, asked).signal({"SIGNAL_SIGTERM": 15, "SIGNAL_SIGKILL": 9}[asked["signal"]])
        return {}


def _selected(held: Held, asked: dict[str, Any]) -> Command:
    return held.commands[asked["process"]["pid"]]


def _sandbox(held: Held) -> dict[str, Any]:
    return {
        "templateID": held.asked["templateID"],
        "sandboxID": held.id,
        "clientID": "loopback",
        "envdVersion": _ENVD,
        "envdAccessToken": held.token,
    }


def _listed(held: Held) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        **_sandbox(held),
        "startedAt": now.isoformat(),
        "endAt": (now + timedelta(seconds=held.timeouts[-1])).isoformat(),
        "cpuCount": 2,
        "memoryMB": 512,
        "diskSizeMB": 1024,
        "state": held.state,
        "metadata": held.metadata,
    }


def _envelope(message: dict[str, Any], flags: int = 0) -> bytes:
    data = json.dumps(message).encode()
    return struct.pack(">BI", flags, len(data)) + data


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"code": status, "message": message}, status=status)


def _gone() -> web.Response:
    """Of the proxy before envd."""
    return web.json_response({"sandboxId": "", "message": "The sandbox was not found", "code": 502}, status=502)
