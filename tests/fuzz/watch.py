"""What must not happen while the wire is fuzzed, and what must not be left afterwards."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import psutil

__all__ = ["ANSWERS_WITHIN", "Watch", "watching"]

ANSWERS_WITHIN: Final = 10.0  # seconds
_GROWTH: Final = 48 * 1024 * 1024  # bytes; the allocator keeps some of what deep and long inputs needed once
_WARM: Final = 200  # inputs, after which nothing is done for the first time


class Watch:
    """`complaints` are what the logs and the loop said that they should not say."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self._process = psutil.Process()
        self._warm: int | None = None
        self._inputs = 0

    def after(self, made: object) -> None:
        """To be called after each input."""
        self._inputs += 1
        if self._inputs == _WARM:
            self._warm = self._size()
        assert not self.complaints, f"{made}: {self.complaints}"

    def assert_no_growth(self) -> None:
        if self._warm is not None:
            assert self._size() - self._warm < _GROWTH, f"grew from {self._warm} to {self._size()} bytes"

    def descriptors(self) -> int:
        return int(self._process.num_fds())

    def _size(self) -> int:
        gc.collect()
        return int(self._process.memory_info().rss)


class _Listener(logging.Handler):
    def __init__(self, heard: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        self._heard.append(logging.Formatter().format(record))


@asynccontextmanager
async def watching() -> AsyncIterator[Watch]:
    """No errors in any log, none that only the loop heard of, no task, no descriptor and no memory left."""
    watch = Watch()
    loop = asyncio.get_running_loop()
    listener = _Listener(watch.complaints)
    tasks, descriptors = asyncio.all_tasks(), watch.descriptors()
    logging.getLogger().addHandler(listener)
    ours = logging.getLogger("toolgate")
    level = ours.level
    ours.setLevel(logging.ERROR)  # what is captured of warnings is kept, and there are very many
    loop.set_exception_handler(lambda _, context: watch.complaints.append(repr(context)))
    try:
        yield watch
        await _settled(watch, tasks, descriptors)
        gc.collect()  # what nobody awaited is told when it goes
        assert not watch.complaints
        watch.assert_no_growth()
    finally:
        loop.set_exception_handler(None)
        ours.setLevel(level)
        logging.getLogger().removeHandler(listener)


async def _settled(watch: Watch, tasks: set["asyncio.Task[Any]"], descriptors: int) -> None:
    before = tasks | {task for task in [asyncio.current_task()] if task is not None}
    try:
        async with asyncio.timeout(ANSWERS_WITHIN):
            # The loop closes transports in its next rounds, and tells nobody.
            while asyncio.all_tasks() - before or watch.descriptors() > descriptors:  # noqa: ASYNC110
                await asyncio.sleep(0)
    except TimeoutError:
        left = asyncio.all_tasks() - before
        raise AssertionError(f"left: {left}, {watch.descriptors() - descriptors} descriptors") from None
