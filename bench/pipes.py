"""A server over stdio, spoken to without a gateway: what it can do at most."""

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.load import Load
from bench.stubs.answers import LEGACY
from bench.table import quantile

__all__ = ["EVERYTHING", "SDK_SERVER", "Pipe", "stdio_stub"]

_ROOT = Path(__file__).parents[1]
EVERYTHING = _ROOT / ".parts/npm/node_modules/@modelcontextprotocol/server-everything/dist/index.js"
SDK_SERVER = _ROOT / ".parts/servers/bin/mcp-server-time"


def stdio_stub(tools: int = 20, era: str = "modern") -> dict[str, Any]:
    """A definition of the stub as a server."""
    return {"command": sys.executable, "args": ["-I", "-S", str(_ROOT / "bench/stubs/lines.py"), str(tools), era]}


class Pipe:
    """Many requests may be under way: the id finds who waits."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._in, self._out = process.stdin, process.stdout
        self._keys = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._reading = asyncio.create_task(self._read())

    async def ask(self, before: bytes, after: bytes) -> bytes:
        key = next(self._keys)
        waiting: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[key] = waiting
        self._in.write(b"%b%d%b\n" % (before, key, after))
        return await waiting

    async def greet(self) -> None:
        """The life cycle of the legacy era."""
        info = {"name": "bench", "version": "1"}
        params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": info}
        await self.ask(*request("initialize", params))
        self._in.write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')

    async def load(self, method: str, params: dict[str, Any], width: int, seconds: float) -> Load:
        before, after = request(method, params)
        taken: list[float] = []
        failed = 0
        end = time.perf_counter() + seconds

        async def work() -> None:
            nonlocal failed
            while (start := time.perf_counter()) < end:
                line = await self.ask(before, after)
                taken.append(time.perf_counter() - start)
                failed += b'"result":' not in line

        start = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(width)))
        took = time.perf_counter() - start
        return Load(len(taken), took, quantile(taken, 0.5) * 1e6, quantile(taken, 0.99) * 1e6, failed)

    async def _read(self) -> None:
        rest = b""
        while data := await self._out.read(1 << 20):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                if (key := _key(line)) in self._waiting:
                    self._waiting.pop(key).set_result(line)

    async def close(self) -> None:
        self._in.close()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)


def request(method: str, params: dict[str, Any]) -> Sequence[bytes]:
    """What stands before and after the id."""
    rest = json.dumps({"method": method, "params": params}, separators=(",", ":"))
    return b'{"jsonrpc":"2.0","id":', f",{rest[1:]}".encode()


def _key(line: bytes) -> int:
    """Servers put the id first or last, never inside of what they answer here."""
    at = line.rfind(b'"id":') + 5 if line.endswith(b"}") and line.rfind(b'"id":') > len(line) - 20 else 0
    at = at or line.find(b'"id":') + 5
    digits = line[at : at + 12].lstrip()
    number = digits.split(b",")[0].split(b"}")[0]
    return int(number) if number.isdigit() else 0
