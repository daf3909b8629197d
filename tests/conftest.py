"""What every test may ask for."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.parts.where import Parts
from tests.running import RunningGateway, running_gateway

__all__ = ["StartGateway"]


class StartGateway(Protocol):
    """Start a gateway with this document and these options of `toolgate up`."""

    async def __call__(
        self, config: Mapping[str, Any] | str, *options: str, env: Mapping[str, str] | None = None
    ) -> RunningGateway: ...


@pytest.fixture(scope="session")
def parts() -> Parts:
    """The real servers and clients that `make test` installs."""
    return Parts.installed()


@pytest.fixture
async def start_gateway(tmp_path: Path) -> AsyncIterator[StartGateway]:
    """Gateways that are stopped, and looked over for what they leave behind, when the test ends."""
    async with AsyncExitStack() as stack:
        folders = (tmp_path / f"gateway-{number}" for number in range(1, 100))

        async def start(
            config: Mapping[str, Any] | str, *options: str, env: Mapping[str, str] | None = None
        ) -> RunningGateway:
            folder = next(folders)
            folder.mkdir()
            return await stack.enter_async_context(running_gateway(config, folder, *options, env=env))

        yield start
