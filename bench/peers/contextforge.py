"""ContextForge: its server with SQLite, one worker, keys required; its limit of 100 calls a minute is off."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.child import Unavailable, started
from bench.peers.environment import Peer, environment, version
from bench.ready import until_listening
from bench.rig import Rig
from bench.wire import Answer, Caller, connected
from tests.running import clean_environment, free_port

__all__ = ["contextforge"]

_PACKAGE = "mcp-contextforge-gateway>=1.0.7.post0,<2"
_ADMIN = "admin@example.com"
_KEY = "bench-0123456789-abcdefghijklmnopqrstuvwxyz"
_PASSWORD = "Bench-Bench-1234!"  # noqa: S105  # of a gateway that lives for a minute


def _settings(room: Path) -> dict[str, str]:
    return {
        **clean_environment(room),
        "DATABASE_URL": f"sqlite:///{room}/mcp.db",
        "JWT_SECRET_KEY": _KEY,
        "AUTH_ENCRYPTION_SECRET": _KEY[::-1],
        "PLATFORM_ADMIN_EMAIL": _ADMIN,
        "PLATFORM_ADMIN_PASSWORD": _PASSWORD,
        "BASIC_AUTH_PASSWORD": _PASSWORD,
        "DEFAULT_USER_PASSWORD": _PASSWORD,
        "SSRF_ALLOW_LOCALHOST": "true",
        "SSRF_ALLOW_PRIVATE_NETWORKS": "true",
        "RATE_LIMITING_ENABLED": "false",
        "LOG_LEVEL": "ERROR",
    }


@asynccontextmanager
async def contextforge(rig: Rig, url: str) -> AsyncIterator[Peer]:
    """Raises `Unavailable`."""
    programs = await environment("contextforge", _PACKAGE)
    port, room = free_port(), rig.room("contextforge")
    room.mkdir()
    env = _settings(room)
    command = [str(programs / "mcpgateway"), "--host", "127.0.0.1", "--port", str(port)]
    async with started(command, room / "log", rig.cores.measured, env=env, cwd=room) as child:
        await until_listening(port, child, 120)
        token = await _token(programs, env)
        registered = await _register(f"http://127.0.0.1:{port}/gateways", token, url)
        if registered.status not in {200, 201}:
            raise Unavailable(f"it did not take the server: {registered.body[:300].decode(errors='replace')}")
        # It answers a call without a session; one of the legacy era needs none with it.
        caller = Caller(f"http://127.0.0.1:{port}/mcp/", "legacy", token)
        label = "ContextForge, as it comes"
        yield Peer(label, caller, "stub-tool-0", child, await version(programs, "mcp-contextforge-gateway"))


async def _token(programs: Path, env: dict[str, str]) -> str:
    process = await asyncio.create_subprocess_exec(
        *(str(programs / "python"), "-m", "mcpgateway.utils.create_jwt_token"),
        *("--username", _ADMIN, "--exp", "600", "--secret", _KEY),
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    lines = (await process.communicate())[0].decode().split()
    if not lines:
        raise Unavailable("it made no token")
    return lines[-1]


async def _register(where: str, token: str, url: str) -> Answer:
    body = json.dumps({"name": "stub", "url": url, "transport": "STREAMABLEHTTP"}).encode()
    caller = Caller(where, key=token)
    host, port = caller.place
    head = f"Host: {host}:{port}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    async with connected(caller) as connection, asyncio.timeout(60):
        return await connection.ask(
            f"POST /gateways HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        )
