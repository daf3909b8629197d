"""The house of `tests.real`, behind two workers."""

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio

from tests.parts.where import Parts
from tests.real.conftest import House, fixture_server, serving_a_page
from tests.real.servers import real_servers
from tests.running import running_gateway


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("house")
    async with AsyncExitStack() as stack:
        page = await stack.enter_async_context(serving_a_page())
        modern = await stack.enter_async_context(
            fixture_server([sys.executable, "-m", "tests.parts.fixture_servers.modern_http"])
        )
        legacy = await stack.enter_async_context(fixture_server(parts.python1("tests.parts.mcp1.legacy_http")))
        servers = real_servers(parts, folder, page, modern, legacy)
        config: dict[str, Any] = {
            "version": 1,
            "sources": [],
            "servers": {name: server.config for name, server in servers.items()},
            "limits": {"cache_bytes": 0},
        }
        gateway = await stack.enter_async_context(running_gateway(config, folder, "--workers", "2"))
        await gateway.settled(*servers)
        yield House(gateway, servers, stack)
