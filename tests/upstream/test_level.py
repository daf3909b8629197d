"""One legacy link has one log level: the most talkative that a caller asked for, and never a quieter one again."""

import asyncio
from typing import Any

import pytest

from tests.upstream.conftest import House, stub
from toolgate.protocol.eras import Era


@pytest.mark.parametrize("era", list(Era))
async def test_a_level_is_asked_for_once_and_only_where_it_says_more(house: House, era: Era) -> None:
    await house.serve(stub())

    async def levels(level: str | None) -> Any:
        return (await house.call("stub", "levels", log_level=level, era=era))["levels"]

    assert await levels(None) == []
    assert await levels("error") == ["error"]
    assert await levels("critical") == ["error"]
    assert await levels("debug") == ["error", "debug"]
    assert await levels("info") == ["error", "debug"]


async def test_callers_who_come_together_ask_once(house: House) -> None:
    await house.serve(stub())
    await asyncio.gather(*(house.call("stub", "levels", log_level="info") for _ in range(50)))
    assert (await house.call("stub", "levels", log_level="info"))["levels"] == ["info"]


async def test_a_modern_server_is_told_with_each_request_instead(house: House) -> None:
    await house.serve(stub(mode="modern"))
    echoed = (await house.call("stub", "echo", log_level="info"))["echo"]["_meta"]
    assert echoed["io.modelcontextprotocol/logLevel"] == "info"
    assert (await house.call("stub", "levels"))["levels"] == []
