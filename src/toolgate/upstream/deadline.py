"""A deadline that only runs while the server has the call: a person who is asked something may take their time."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol, Self

__all__ = ["Alarms", "Deadline", "Ringing", "Row"]


class Ringing(Protocol):
    """What has a deadline."""

    def ring(self) -> None:
        """Called when the time is up, and it is in no row any more."""
        ...

    def end(self) -> None:
        """The time is up now, while it may be in a row."""
        ...


class Alarms:
    """The deadlines of one link. Those of equal length end in the order in which they began, so each length needs one
    timer, however many calls there are: making and ending a timer for each call would cost more than all else here."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._rows: dict[float, Row] = {}

    def set(self, deadline: "Ringing", seconds: float) -> "Row":
        row = self._rows.get(seconds)
        if row is None:
            row = self._rows[seconds] = Row(self.loop, seconds, self._rows.pop)
        row.ends[deadline] = self.loop.time() + seconds
        return row

    def end(self) -> None:
        """The time of all is up now."""
        for row in tuple(self._rows.values()):
            for deadline in tuple(row.ends):
                deadline.end()


class Row:
    """Deadlines of the same length."""

    __slots__ = ("_drop", "_loop", "_seconds", "_timer", "ends")

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, drop: Callable[[float], object]) -> None:
        self._loop = loop
        self._seconds = seconds
        self._drop = drop
        self.ends: dict[Ringing, float] = {}
        self._timer = loop.call_later(seconds, self._look)

    def left(self, deadline: "Ringing") -> float:
        return max(0.0, self.ends[deadline] - self._loop.time())

    def _look(self) -> None:
        now = self._loop.time()
        while self.ends:
            deadline, end = next(iter(self.ends.items()))
            if end > now:
                self._timer = self._loop.call_at(end, self._look)
                return
            del self.ends[deadline]
            deadline.ring()
        self._drop(self._seconds)


class Deadline:
    """`with` around what must end within `seconds`; raises `TimeoutError` like `asyncio.timeout`."""

    __slots__ = ("_alarms", "_cancelling", "_holders", "_left", "_rang", "_row", "_task")

    def __init__(self, seconds: float, alarms: Alarms) -> None:
        self._alarms = alarms
        self._left = seconds
        self._row: Row | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._holders = 0
        self._rang = False

    def __enter__(self) -> Self:
        # Named, since to look for the running loop is a system call before Python 3.12.
        self._task = task = asyncio.current_task(self._alarms.loop)
        if task is None:
            raise RuntimeError("a deadline ends a task")
        self._cancelling = task.cancelling()
        self._row = self._alarms.set(self, self._left)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        row, self._row = self._row, None
        task, self._task = self._task, None
        if row is not None:
            row.ends.pop(self, None)
        if self._rang and task is not None and task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    @contextmanager
    def held(self) -> Iterator[None]:
        """The time inside does not count. May be entered several times at once."""
        self._holders += 1
        if self._row is not None:
            self._left = self._row.left(self)
            self._row.ends.pop(self, None)
            self._row = None
        try:
            yield
        finally:
            self._holders -= 1
            if not self._holders and self._task is not None and not self._rang:
                self._row = self._alarms.set(self, self._left)

    def end(self) -> None:
        """The time is up now, whoever holds it."""
        if self._row is not None:
            self._row.ends.pop(self, None)
            self._row = None
        self.ring()

    def ring(self) -> None:
        self._row = None
        if self._task is not None and not self._rang:
            self._rang = True
            self._task.cancel()
