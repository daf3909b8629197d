"""As many requests as are answered, from a number of connections at once: by wrk, or from this process without it."""

import asyncio
import re
import shutil
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bench.table import quantile
from bench.wire import NO_ID, Caller, Connection

__all__ = ["Load", "has_wrk", "load", "load_from_here"]

_SCRIPT = Path(__file__).with_name("load.lua")
_MEASURED = re.compile(r"^measured (\d+) (\d+) (\S+) (\S+) (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Load:
    """p50 and p99 are in microseconds. `failed` were not answered, or with another status than 200."""

    requests: int
    seconds: float
    p50: float
    p99: float
    failed: int

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


@cache
def has_wrk() -> bool:
    return shutil.which("wrk") is not None


async def load(caller: Caller, request: bytes, width: int, seconds: int) -> Load:
    if has_wrk():
        return await _wrk(caller, request, width, seconds)
    return await load_from_here(caller, request, width, seconds)


async def _wrk(caller: Caller, request: bytes, width: int, seconds: int) -> Load:
    with tempfile.NamedTemporaryFile() as file:
        file.write(request)
        file.flush()
        process = await asyncio.create_subprocess_exec(
            *("wrk", "-t1", f"-c{width}", f"-d{seconds}s", "--timeout", "30s", "-s", str(_SCRIPT), caller.url),
            *("--", file.name, NO_ID),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output = (await process.communicate())[0].decode()
    found = _MEASURED.search(output)
    assert found, output
    requests, microseconds, p50, p99, failed = found.groups()
    return Load(int(requests), int(microseconds) / 1e6, float(p50), float(p99), int(failed))


async def load_from_here(caller: Caller, request: bytes, width: int, seconds: float) -> Load:
    before, after = request.split(NO_ID.encode())
    taken: list[float] = []
    failed = 0
    end = time.perf_counter() + seconds

    async def work(connection: Connection, first: int) -> None:
        nonlocal failed
        while (start := time.perf_counter()) < end:
            first += width
            answer = await connection.ask(before + b"%d" % first + after)
            taken.append(time.perf_counter() - start)
            failed += not answer.succeeded

    connections = [await Connection.open(caller) for _ in range(width)]
    start = time.perf_counter()
    await asyncio.gather(*(work(one, int(NO_ID) + number) for number, one in enumerate(connections)))
    took = time.perf_counter() - start
    for connection in connections:
        connection.close()
    return Load(len(taken), took, quantile(taken, 0.5) * 1e6, quantile(taken, 0.99) * 1e6, failed)
