"""The proxy of FastMCP, which speaks the modern era itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.child import started
from bench.peers.environment import Peer, environment, version
from bench.ready import until_listening
from bench.rig import Rig
from bench.wire import Caller
from tests.running import clean_environment, free_port

__all__ = ["fastmcp"]

_PACKAGE = "fastmcp>=4.1,<5"
_PROXY = Path(__file__).with_name("fastmcp_proxy.py")


@asynccontextmanager
async def fastmcp(rig: Rig, url: str, *, reused: bool) -> AsyncIterator[Peer]:
    """Raises `Unavailable`."""
    programs = await environment("fastmcp", _PACKAGE)
    port, room = free_port(), rig.room("fastmcp")
    room.mkdir()
    command = [str(programs / "python"), "-P", str(_PROXY), url, str(port), *(["reused"] if reused else [])]
    label = f"FastMCP, {'client reused' if reused else 'as it comes'}"
    async with started(command, room / "log", rig.cores.measured, env=clean_environment(room), cwd=room) as child:
        await until_listening(port, child, 60)
        caller = Caller(f"http://127.0.0.1:{port}/mcp")
        yield Peer(label, caller, "tool-0", child, await version(programs, "fastmcp"))
