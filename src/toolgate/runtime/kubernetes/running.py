"""A server in a pod, from its attachment to the end of the pod."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from toolgate.runtime.base import Output, Redact
from toolgate.runtime.kubernetes.api import Api
from toolgate.runtime.kubernetes.attachment import Attachment
from toolgate.runtime.kubernetes.followed import Followed
from toolgate.runtime.kubernetes.manifest import CONTAINER
from toolgate.runtime.kubernetes.refusals import Refused, Unreachable
from toolgate.runtime.kubernetes.state import Ended, Failed, state_of
from toolgate.runtime.lines import LineSplitter
from toolgate.runtime.stderr import StderrTail

__all__ = ["PodRunning", "Words", "remove", "spoken"]

_FINE: Final = "exited with code 0"
_LOST: Final = "the connection to its pod was lost"
_TERM: Final = 2  # seconds between SIGTERM and SIGKILL; whole ones, as the API has them
_SLACK: Final = 1.0  # seconds that node and API server take besides
_LAST_OUTPUT: Final = 0.5  # seconds after its end in which what it wrote last is still on its way
_TOLD: Final = 2.0  # seconds after the end of its streams until the node has told of its end
_REMOVED: Final = 2.0  # seconds for one order to remove it; what fails is done by the sweep
_LOGGED: Final = 2.0
_TAIL: Final = "50"  # lines
_TAIL_BYTES: Final = str(16 * 1024)
_T = TypeVar("_T")


class Words:
    """What a server writes, taken apart for who reads it."""

    def __init__(self, name: str, output: Output, limit: int, redact: Redact) -> None:
        self.output = output
        self.lines = LineSplitter(limit, output.line, output.oversized)
        self.stderr = StderrTail(name, redact, output.said)


class PodRunning:
    """A `runtime.base.Running`. A lost attachment is its end: what was on its way is lost, and its input is closed."""

    def __init__(
        self, api: Api, pod: str, followed: Followed, attachment: Attachment, words: Words, left: Callable[[], None]
    ) -> None:
        """`left` is called once it is gone, before the output is told."""
        self._api = api
        self._pod = pod
        self._followed = followed
        self._attachment = attachment
        self._words = words
        self._left = left
        self._stopping: asyncio.Task[None] | None = None
        self._living = asyncio.create_task(self._live(), name=f"pod {pod}")

    @property
    def pid(self) -> int:
        raise LookupError("a pod has no process on this machine")

    async def ready(self) -> None:
        await self._attachment.room()

    @property
    def reads(self) -> bool:
        return self._attachment.has_room

    def write(self, line: bytes) -> None:
        self._attachment.send(line + b"\n")

    def post(self, line: bytes) -> bool:
        if not self._attachment.takes():
            return False
        self.write(line)
        return True

    def last_words(self) -> str:
        return self._words.stderr.last()

    async def stop(self, grace: float) -> None:
        """Its input is closed; then SIGTERM by an order to remove it, then SIGKILL by one to do so at once."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop(grace), name=f"stop pod {self._pod}")
        await asyncio.shield(self._stopping)

    async def _stop(self, grace: float) -> None:
        if self._attachment.half_closes and not self._living.done():
            self._attachment.end_input()
            await _within(grace, self._living)
        if not self._living.done():
            await remove(self._api, self._pod, _TERM)
            await _within(_TERM + _SLACK, self._living)
        if not self._living.done():
            self._living.cancel()
            await asyncio.gather(self._living, return_exceptions=True)
            await self._finish("was killed by SIGKILL")

    async def _live(self) -> None:
        reason = await self._reason()
        await self._finish(reason)

    async def _reason(self) -> str:
        """Whatever comes first: the end of its streams or that of the pod; and then the other."""
        ended = self._followed.until(_ended)
        told = await _first(ended, self._attachment.closed.wait())
        if isinstance(told, str):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_OUTPUT):
                    await self._attachment.closed.wait()
            return told
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TOLD):
                return await self._followed.until(_ended)
        return _LOST

    async def _finish(self, reason: str) -> None:
        words = self._words
        if not words.stderr.last() and self._stopping is None and reason not in {_FINE, _LOST}:
            await spoken(self._api, self._pod, words.stderr)
        # Whether it runs still or has ended: nothing of it stays.
        await remove(self._api, self._pod, 0)
        await self._attachment.close()
        self._left()
        words.stderr.end()
        last = words.stderr.last()
        words.output.ended(f"{reason}{': ' if last else ''}{last}")


async def remove(api: Api, pod: str, grace: int) -> None:
    """Never raises: what cannot be removed now is found by the sweep."""
    with contextlib.suppress(Refused, Unreachable):
        await api.ask("DELETE", f"pods/{pod}", {"gracePeriodSeconds": grace}, seconds=_REMOVED)


async def spoken(api: Api, pod: str, stderr: StderrTail) -> None:
    """What it wrote before anybody was attached, from the node's log. Messages of the protocol are left out of it."""
    with contextlib.suppress(Refused, Unreachable):
        query = {"container": CONTAINER, "tailLines": _TAIL, "limitBytes": _TAIL_BYTES}
        text = await api.text(f"pods/{pod}/log", seconds=_LOGGED, **query)
        stderr.feed(b"".join(line for line in text.splitlines(keepends=True) if not line.startswith(b"{")))


def _ended(followed: Followed) -> str | None:
    state = state_of(followed.pod)
    if isinstance(state, Ended | Failed):
        return state.reason
    return "its pod was removed by somebody else" if followed.gone else None


async def _first(*waits: Coroutine[Any, Any, _T]) -> _T:
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task for task in tasks if task in done).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _within(seconds: float, task: asyncio.Task[None]) -> None:
    await asyncio.wait([task], timeout=seconds)
