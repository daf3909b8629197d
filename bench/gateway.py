"""The gateway as a person starts it, on a core of its own, with a key to call it with."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.child import Child, Unavailable, started
from bench.document import TEAM
from bench.ready import until
from bench.wire import Caller, Connection, connected
from tests.running import TOOLGATE, clean_environment, free_port

__all__ = ["Gateway", "gateway", "offers_workers"]

_SETTLES_WITHIN = 300.0


@dataclass(frozen=True)
class Gateway:
    """`listened_after` is in seconds since its process was started; `team` are the options that keys are made with."""

    url: str
    key: str
    child: Child
    folder: Path
    config: Path
    listened_after: float
    team: tuple[str, ...] = ()

    def caller(self, era: str = "modern", path: str = "/mcp") -> Caller:
        return Caller(f"{self.url}{path}", era, self.key)

    async def api(self, path: str, verb: str = "GET") -> Any:
        caller = Caller(f"{self.url}{path}", key=self.key)
        async with connected(caller) as connection:
            answer = await connection.ask(_bodiless(verb, caller))
        assert answer.status == 200, answer
        return answer.json()

    async def settled(self) -> None:
        """Every server is ready, and its tools are known."""

        async def ready() -> bool:
            servers = (await self.api("/api/v1/servers"))["servers"]
            return all(server["state"] == "ready" and server["tools"] for server in servers)

        await until(ready, f"the servers to be ready: {self.child.tail()}", _SETTLES_WITHIN, 0.05)

    def write(self, document: Mapping[str, Any]) -> None:
        """Another configuration, in one step; the gateway reads it when it is told to, or notices."""
        fresh = self.config.with_suffix(".fresh")
        fresh.write_text(json.dumps(document, indent=1))
        fresh.replace(self.config)

    async def keys(self, *arguments: str) -> Any:
        return await _keys(self.folder, *arguments, "--config", str(self.config), "--json")


def _bodiless(verb: str, caller: Caller) -> bytes:
    host, port = caller.place
    path = caller.url.split("/", 3)[3] if caller.url.count("/") > 2 else ""
    key = f"Authorization: Bearer {caller.key}\r\n" if caller.key else ""
    return f"{verb} /{path} HTTP/1.1\r\nHost: {host}:{port}\r\n{key}Content-Length: 0\r\n\r\n".encode()


async def _keys(folder: Path, *arguments: str) -> Any:
    process = await asyncio.create_subprocess_exec(
        *(TOOLGATE, "keys", *arguments),
        env=clean_environment(folder),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return json.loads(output)


async def _help(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(TOOLGATE, *arguments, "--help", stdout=asyncio.subprocess.PIPE)
    return (await process.communicate())[0].decode()


async def offers_workers() -> bool:
    return "--workers" in await _help("up")


@asynccontextmanager
async def gateway(
    document: Mapping[str, Any], folder: Path, core: int | tuple[int, ...], *options: str, tree: bool = False
) -> AsyncIterator[Gateway]:
    """Listens when this yields. `tree`: what its children take is counted too, as that of workers.

    Raises `Unavailable`.
    """
    config = _configured(folder, document)
    team = ("--team", TEAM) if "--team" in await _help("keys", "create") else ()
    key = (await _keys(folder, "create", "bench", *team, "--config", str(config), "--json"))["key"]
    port = free_port()
    command = [TOOLGATE, "up", "--config", str(config), "--port", str(port), "--log-level", "warning", *options]
    start = time.perf_counter()
    log, env = folder / "gateway.log", clean_environment(folder)
    async with started(command, log, core, env=env, cwd=folder, tree=tree) as child:
        url = f"http://127.0.0.1:{port}"
        await until(lambda: _is_ready(Caller(f"{url}/readyz"), child), f"the gateway: {child.tail()}", 60, 0.005)
        yield Gateway(url, key, child, folder, config, time.perf_counter() - start, team)


def _configured(folder: Path, document: Mapping[str, Any]) -> Path:
    folder.mkdir()
    config = folder / "toolgate.yaml"
    config.write_text(json.dumps(document, indent=1))
    return config


async def _is_ready(caller: Caller, child: Child) -> bool:
    if child.process.returncode is not None:
        raise Unavailable(f"toolgate up ended with {child.process.returncode}: {child.tail()}")
    try:
        connection = await Connection.open(caller)
    except OSError:
        return False
    try:
        return (await connection.ask(_bodiless("GET", caller))).status == 200
    except ConnectionError:
        return False
    finally:
        connection.close()
