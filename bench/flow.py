"""Requests that come at a rate, whether or not the last were answered: as from many clients."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.wire import NO_ID, Answer, Caller, Connection, call

__all__ = ["Asked", "Flow", "Route"]

_TICK = 0.001  # seconds
_STALE = 2.0  # seconds of rest after which a connection is not used again, since servers close those that rest
_TEXT = "000000000000"


class Route:
    """A tool that gives back the text that it gets, as one caller calls it."""

    def __init__(self, name: str, caller: Caller, tool: str, *, steady: bool = True) -> None:
        self.name = name
        self.caller = caller
        self.steady = steady
        self._before, rest = caller.request(*call(tool, _TEXT)).split(NO_ID.encode())
        self._between, self._after = rest.split(_TEXT.encode())
        self._idle: list[tuple[float, Connection]] = []

    def request(self, number: int) -> bytes:
        return b"%b%09d%b%012d%b" % (self._before, int(NO_ID) + number, self._between, number, self._after)

    async def connection(self) -> Connection:
        while self._idle:
            since, connection = self._idle.pop()
            if not connection.closed and time.perf_counter() - since < _STALE:
                return connection
            connection.close()
        return await Connection.open(self.caller)

    def put_back(self, connection: Connection) -> None:
        self._idle.append((time.perf_counter(), connection))

    def is_right(self, number: int, body: bytes) -> bool:
        return b'"id":%d,' % (int(NO_ID) + number) in body and b'"text":"%012d"' % number in body


@dataclass(frozen=True)
class Asked:
    """One request and its end. `outcome`: `right`, `wrong`, `refused`, `busy` (429 or 503), `cut` or `silent`."""

    route: Route
    at: float  # when it was answered, on the monotonic clock
    seconds: float
    outcome: str
    answer: Answer | None


def judge(route: Route, number: int, answer: Answer) -> str:
    if answer.status in {429, 503}:
        return "busy"
    if answer.succeeded:
        return "right" if route.is_right(number, answer.body) else "wrong"
    if b'"error":' in answer.body or b'"isError":true' in answer.body:
        return "refused"
    return "wrong"


@dataclass
class Flow:
    """`most` connections are open at once; what would need more is counted as `unsent`. `heard` gets each end."""

    heard: Callable[[Asked], None]
    most: int = 4_000
    patience: float = 60.0
    unsent: int = 0
    stalled: float = 0.0  # seconds that this process itself stood still for at most
    outcomes: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._number = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, rate: float, seconds: float, pick: Callable[[int], Route]) -> None:
        start, sent, last = time.perf_counter(), 0, 0.0
        while (now := time.perf_counter() - start) < seconds:
            self.stalled, last = max(self.stalled, now - last), now
            for _ in range(int(now * rate) - sent):
                sent += 1
                self._number += 1
                if len(self._tasks) >= self.most:
                    self.unsent += 1
                    continue
                task = asyncio.create_task(self._ask(pick(self._number), self._number))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            await asyncio.sleep(_TICK)
        self.stalled = max(self.stalled, now - last)

    async def ask(self, route: Route) -> None:
        """One, and wait for it."""
        self._number += 1
        await self._ask(route, self._number)

    async def rest(self) -> None:
        """Wait for all that is under way."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _ask(self, route: Route, number: int) -> None:
        start = time.perf_counter()
        answer, outcome = await self._answered(route, number)
        now = time.perf_counter()
        self.outcomes[outcome] += 1
        self.heard(Asked(route, now, now - start, outcome, answer))

    async def _answered(self, route: Route, number: int) -> tuple[Answer | None, str]:
        connection: Connection | None = None
        try:
            connection = await route.connection()
            async with asyncio.timeout(self.patience):
                answer = await connection.ask(route.request(number))
        except TimeoutError:
            if connection is not None:
                connection.close()
            return None, "silent"
        except OSError:
            return None, "cut"
        route.put_back(connection)
        return answer, judge(route, number, answer)
