"""The server that has everything, in a process of its own, and the gateway in front of it."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tests.parts.where import ROOT
from tests.running import running_gateway

__all__ = ["ERAS", "gateway_before", "running_server"]

ERAS: Final = ("dual", "legacy", "modern")
_LISTENS_WITHIN: Final = 30.0  # seconds


@asynccontextmanager
async def running_server(era: str) -> AsyncIterator[str]:
    """Yields the URL."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.parts.conformance.everything", "--era", era),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,  # it tells of each request that the suite means it to refuse
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(_LISTENS_WITHIN):
            url = (await process.stdout.readline()).decode().strip()
        assert url, f"the fixture server ended with {await process.wait()}"
        yield url
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def gateway_before(url: str, folder: Path) -> AsyncIterator[str]:
    """Yields the URL under which a gateway serves this one server alone, with its own names."""
    async with running_gateway({"version": 1, "servers": {"fixture": {"url": url}}}, folder) as gateway:
        await gateway.settled("fixture")
        yield gateway.endpoint("fixture")
