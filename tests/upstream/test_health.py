import asyncio
from collections.abc import Callable

import pytest

from toolgate.errors import ServerUnavailable
from toolgate.pipeline.call import Reply
from toolgate.protocol.eras import Era
from toolgate.upstream.health import Checks, alive

WITHIN = 20.0  # seconds


class Heard:
    """What checks were told, and the moment when there are enough of them."""

    def __init__(self, enough: int) -> None:
        self.results: list[tuple[str, float, str]] = []
        self.done = asyncio.Event()
        self._enough = enough

    def __call__(self, name: str, seconds: float, error: str) -> None:
        self.results.append((name, seconds, error))
        if len(self.results) >= self._enough:
            self.done.set()


async def until(heard: Heard, checks: Checks) -> None:
    checks.start()
    try:
        await asyncio.wait_for(heard.done.wait(), WITHIN)
    finally:
        await checks.close()


def names(*servers: str) -> Callable[[], tuple[str, ...]]:
    return lambda: servers


async def test_every_server_is_checked_again_and_again() -> None:
    async def check(name: str) -> None:
        await asyncio.sleep(0)

    heard = Heard(6)
    await until(heard, Checks(names("time", "git"), check, heard, interval=0.05))
    assert {name for name, _, _ in heard.results} == {"time", "git"}
    assert {error for _, _, error in heard.results} == {""}


async def test_what_went_wrong_is_told() -> None:
    async def check(name: str) -> None:
        if name == "hangs":
            await asyncio.Event().wait()
        if name == "refuses":
            raise ServerUnavailable("it is down", server=name)
        raise RuntimeError("a fault of ours")

    heard = Heard(6)
    await until(heard, Checks(names("hangs", "refuses", "odd"), check, heard, interval=0.05))
    told = {name: error for name, _, error in heard.results}
    assert told["refuses"] == "it is down"
    assert told.get("hangs", "no answer within 0 s") == "no answer within 0 s"
    assert told.get("odd", "it could not be checked: RuntimeError") == "it could not be checked: RuntimeError"


async def test_only_a_few_are_checked_at_once_and_none_twice() -> None:
    running: list[str] = []
    most = 0

    async def check(name: str) -> None:
        nonlocal most
        assert name not in running
        running.append(name)
        most = max(most, len(running))
        for _ in range(5):
            await asyncio.sleep(0)
        running.remove(name)

    heard = Heard(100)
    await until(heard, Checks(names(*(f"server{number}" for number in range(50))), check, heard, interval=0.02))
    assert most <= 8
    assert {error for _, _, error in heard.results} == {""}


async def test_a_server_that_is_gone_is_checked_no_more() -> None:
    there = ["time", "git"]

    async def check(name: str) -> None:
        there[:] = ["git"]

    heard = Heard(8)
    await until(heard, Checks(lambda: there, check, heard, interval=0.02))
    assert [name for name, _, _ in heard.results][-5:] == ["git"] * 5


@pytest.mark.parametrize(("era", "method"), [(Era.LEGACY, "ping"), (Era.MODERN, "server/discover")])
async def test_any_answer_is_a_sign_of_life(era: Era, method: str) -> None:
    asked: list[tuple[str, bytes | None]] = []

    class AnyLink:
        def __init__(self) -> None:
            self.era = era

        async def request(self, method: str, params: bytes | None, timeout: float) -> Reply:
            asked.append((method, params))
            return Reply(b'{"code":-32601,"message":"no"}', is_error=True)

    await alive(AnyLink())  # type: ignore[arg-type]  # all of a link that it uses
    assert asked == [(method, None)]
