"""A gateway as a person starts it: `toolgate up`, a process of its own with a home of its own."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil

__all__ = ["TOOLGATE", "RunningGateway", "clean_environment", "free_port", "running_gateway"]

TOOLGATE = str(Path(sys.executable).with_name("toolgate"))
LISTENS_WITHIN = 30.0  # seconds; far more than it takes, for machines under load
STOPS_WITHIN = 30.0
SERVERS_SETTLE_WITHIN = 60.0
_GLANCE = 0.02  # seconds between two looks at another process, which cannot wake us


@dataclass
class RunningGateway:
    process: asyncio.subprocess.Process
    url: str
    folder: Path
    session: aiohttp.ClientSession
    output: list[str] = field(default_factory=list)

    def endpoint(self, server: str = "", *, virtual: str = "") -> str:
        if virtual:
            return f"{self.url}/virtual/{virtual}/mcp"
        return f"{self.url}/servers/{server}/mcp" if server else f"{self.url}/mcp"

    def errors(self) -> str:
        """The end of what it wrote to its standard error so far."""
        return (self.folder / "stderr.log").read_text(errors="replace")[-4_000:]

    async def status(self) -> dict[str, dict[str, Any]]:
        """The servers by name, as the control API describes them."""
        async with self.session.get(f"{self.url}/api/v1/servers") as response:
            assert response.status == 200, await response.text()
            answer = await response.json()
        servers = answer["servers"] if isinstance(answer, dict) else answer
        return {server["name"]: server for server in servers}

    async def settled(self, *names: str, state: str = "ready") -> dict[str, dict[str, Any]]:
        """Wait until these servers (all, where none is named) are in that state, and ready ones are listed."""
        servers: dict[str, dict[str, Any]] = {}
        try:
            async with asyncio.timeout(SERVERS_SETTLE_WITHIN):
                while True:
                    servers = await self.status()
                    if all(_is(servers.get(name), state) for name in names or servers):
                        return servers
                    await asyncio.sleep(_GLANCE)
        except TimeoutError:
            states = {name: (server["state"], server.get("reason")) for name, server in servers.items()}
            raise AssertionError(f"waited for {names or 'all'} to be {state}: {states}\n{self.errors()}") from None

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def stop(self) -> None:
        """SIGTERM. It must end with 0 and leave no process behind."""
        children = self.children()
        self.signal(signal.SIGTERM)
        async with asyncio.timeout(STOPS_WITHIN):
            code = await self.process.wait()
        assert code == 0, f"toolgate up ended with {code}\n{self.errors()}"
        _, alive = await asyncio.to_thread(psutil.wait_procs, children, timeout=5)
        assert not alive, f"left behind: {[process.name() for process in alive]}"


def _is(server: Mapping[str, Any] | None, state: str) -> bool:
    if server is None or server["state"] != state:
        return False
    return state != "ready" or bool(server["tools"] or server["prompts"] or server["resources"])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def clean_environment(folder: Path) -> dict[str, str]:
    """An environment in which no file of the person who runs the tests is found."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG"} or name.startswith("COV")}
    return {**kept, "HOME": str(folder), "TMPDIR": str(folder), "TOOLGATE_STATE": str(folder / "state")}


@asynccontextmanager
async def running_gateway(
    config: Mapping[str, Any] | str, folder: Path, *options: str, env: Mapping[str, str] | None = None
) -> AsyncIterator[RunningGateway]:
    """`config` is the document, as text or as an object; JSON is YAML too. The gateway listens when this yields."""
    file = folder / "toolgate.yaml"
    file.write_text(config if isinstance(config, str) else json.dumps(config, indent=2))
    port = free_port()
    with (folder / "stderr.log").open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            TOOLGATE,
            *("up", "--config", str(file), "--port", str(port), *options),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env={**clean_environment(folder), **(env or {})},
            cwd=folder,
        )
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        gateway = RunningGateway(process, f"http://127.0.0.1:{port}", folder, session)
        reading = asyncio.create_task(_read(process, gateway.output))
        try:
            await _listening(gateway)
            yield gateway
            if process.returncode is None:
                await gateway.stop()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            await reading


async def _read(process: asyncio.subprocess.Process, output: list[str]) -> None:
    assert process.stdout is not None
    while line := await process.stdout.readline():
        output.append(line.decode(errors="replace").rstrip("\n"))


async def _listening(gateway: RunningGateway) -> None:
    async with asyncio.timeout(LISTENS_WITHIN):
        while gateway.process.returncode is None:
            try:
                async with gateway.session.get(f"{gateway.url}/readyz") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(_GLANCE)
    raise AssertionError(f"toolgate up ended with {gateway.process.returncode}\n{gateway.errors()}")
