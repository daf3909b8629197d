"""A started child process: its streams, its last words, its end."""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, cast

from toolgate.runtime.base import Output, Redact
from toolgate.runtime.lines import LineSplitter
from toolgate.runtime.stderr import StderrTail

__all__ = ["Process"]

_TERM: Final = 1.5  # seconds that a process gets between SIGTERM and SIGKILL
_STRAGGLERS: Final = 0.5  # the same for what outlives it; where nobody reaps orphans they seem to live until then
_REAP: Final = 2.0  # seconds until the kernel has surely ended what SIGKILL was sent to
_LAST_OUTPUT: Final = 0.25  # seconds after the exit in which what is still in the pipes is read
_HALF_CLOSED: Final = 1.0  # seconds that a process may go on after it closed its standard streams
_POLL: Final = 0.02
_POSTED: Final = 1 << 20  # bytes that may be waiting for a child that doesn't read


class Process(asyncio.SubprocessProtocol):
    """A `runtime.base.Running`. `ended` is called once it is gone, before the output is told."""

    def __init__(
        self,
        name: str,
        output: Output,
        limit: int,
        redact: Redact,
        ended: Callable[[], None] | None = None,
        *,
        around: bool = False,
    ) -> None:
        self._around = around
        self._ended = ended
        self._output = output
        self._splitter = LineSplitter(limit, output.line, output.oversized)
        self._stderr = StderrTail(name, redact, output.said)
        self._writable = asyncio.Event()
        self._writable.set()
        self._exited = asyncio.Event()
        self._gone = asyncio.Event()
        self._stopping = False
        self._reason = ""
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.SubprocessTransport

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 1:
            self._splitter.feed(data)
        else:
            self._stderr.feed(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 0:
            self._writable.set()
        if fd != 2 and not self._stopping and not self._exited.is_set():
            self._reason = self._reason or f"closed its standard {'output' if fd else 'input'}"
            self._end_after(_HALF_CLOSED)

    def process_exited(self) -> None:
        self._exited.set()
        self._reason = _exit_words(self._transport.get_returncode(), around=self._around)
        if not self._stopping:
            self._end_after(_LAST_OUTPUT)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._stopping:
            self._end()

    # What the owner calls.

    @property
    def pid(self) -> int:
        return self._transport.get_pid()

    async def ready(self) -> None:
        while not self._writable.is_set():
            await self._writable.wait()

    @property
    def reads(self) -> bool:
        return self._writable.is_set()

    def write(self, line: bytes) -> None:
        if stdin := self._stdin:
            stdin.write(line + b"\n")

    def post(self, line: bytes) -> bool:
        stdin = self._stdin
        if stdin is None or stdin.get_write_buffer_size() > _POSTED:
            return False
        self.write(line)
        return True

    def last_words(self) -> str:
        return self._stderr.last()

    async def stop(self, grace: float) -> None:
        if self._stopping:
            await self._within(self._gone, grace + _TERM + _REAP)
            return
        self._stopping = True
        self._forget_timer()
        try:
            if stdin := self._stdin:
                stdin.close()
            await self._leave(grace)
        finally:
            self._signal(signal.SIGKILL)
        await self._within(self._exited, _REAP)
        self._end()

    async def _leave(self, grace: float) -> None:
        """Closed input, then SIGTERM to the whole group: a launcher such as npx does not pass either on."""
        if not await self._within(self._exited, grace):
            self._signal(signal.SIGTERM)
            if not await self._within(self._exited, _TERM):
                return
        if not self._around and self._signal(signal.SIGTERM):
            with suppress(TimeoutError):
                async with asyncio.timeout(_STRAGGLERS):
                    await self._until_group_gone()

    async def _until_group_gone(self) -> None:
        # Nothing tells when a process that is not our child ends.
        while self._signal(0):  # noqa: ASYNC110
            await asyncio.sleep(_POLL)

    @staticmethod
    async def _within(event: asyncio.Event, seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), seconds)
        return event.is_set()

    @property
    def _stdin(self) -> Any:
        """The write transport while it is open; typeshed knows the base class only."""
        stdin: Any = self._transport.get_pipe_transport(0)
        return None if stdin is None or stdin.is_closing() else stdin

    def _signal(self, number: int) -> bool:
        """To the child and all in its session that have not left its group; False when there is nobody."""
        if self._gone.is_set():
            return False
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def _end_after(self, seconds: float) -> None:
        self._forget_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._end)

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _end(self) -> None:
        if self._gone.is_set():
            return
        self._forget_timer()
        if not self._stopping:
            self._signal(signal.SIGKILL)  # whatever a launcher that died has left behind
        stdin: Any = self._transport.get_pipe_transport(0)
        if stdin is not None and stdin.get_write_buffer_size():
            stdin.abort()  # close() would wait until somebody reads what is left
        self._transport.close()
        self._gone.set()
        if self._ended is not None:
            self._ended()
        self._stderr.end()
        words = self.last_words()
        self._output.ended(f"{self._reason or 'was stopped'}{': ' if words else ''}{words}")


def _exit_words(code: int | None, *, around: bool) -> str:
    if around and code is not None and code > 128:
        code = 128 - code
    if code is None or code >= 0:
        return f"exited with code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
