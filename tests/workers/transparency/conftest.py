"""The house of `tests.transparency`, with two workers: each request goes to the other one than the last."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.transparency.conftest import House, kept, pair, scripted_servers
from tests.workers.pair import workers

__all__ = ["house", "kept", "pair"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    file = tmp_path_factory.mktemp("transparency") / "toolgate.yaml"
    async with scripted_servers() as (servers, definitions):
        file.write_text(json.dumps({"version": 1, "sources": [], "servers": definitions, "limits": {"cache_bytes": 0}}))
        async with workers(file) as running:
            yield House(running.url, servers)
