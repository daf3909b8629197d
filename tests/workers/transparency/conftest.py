"""The house of `tests.transparency`, with two workers: each request goes to the other one than the last."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from tests.transparency.conftest import _ERAS, _WIRES, House, pair
from tests.transparency.offer import offer
from tests.transparency.scripted import Scripted
from tests.workers.pair import workers

__all__ = ["house", "pair"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("transparency")
    servers = {f"{era}-{wire}": Scripted(_ERAS[era], offer(f"{era}-{wire}")) for era in _ERAS for wire in _WIRES}
    async with AsyncExitStack() as stack:
        definitions = {
            name: await stack.enter_async_context(_WIRES[name.partition("-")[2]](server))
            for name, server in servers.items()
        }
        file = folder / "toolgate.yaml"
        file.write_text(json.dumps({"version": 1, "sources": [], "servers": definitions, "limits": {"cache_bytes": 0}}))
        yield House((await stack.enter_async_context(workers(file))).url, servers)
