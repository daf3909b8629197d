"""A server that runs in a sandbox of E2B: what is written to it, what it says, its end."""

import asyncio
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from toolgate.runtime.base import Output, Redact
from toolgate.runtime.e2b.failures import is_late, lost
from toolgate.runtime.e2b.feed import Feed
from toolgate.runtime.e2b.lease import Lease, Term
from toolgate.runtime.lines import LineSplitter
from toolgate.runtime.stderr import StderrTail

if TYPE_CHECKING:
    from e2b import AsyncSandbox
    from e2b.sandbox_async.commands.command_handle import AsyncCommandHandle

__all__ = ["COMMAND", "Hosted"]

COMMAND: Final = "TOOLGATE_COMMAND"
"""The variable with the command, quoted for a shell: command lines are written to the service's own log."""
_SCRIPT: Final = f'toolgate=${COMMAND}; unset {COMMAND}; eval "exec $toolgate"'
# With all that it started: a launcher such as npx does not pass a signal on. They are in no group of their own.
_LEAVE: Final = (
    "leave() {{ for child in $(cat /proc/$1/task/*/children 2>/dev/null); do leave $child; done;"
    " kill -TERM $1 2>/dev/null; }}; leave {}"
)

_UNREAD: Final = 300.0  # seconds in which a server reads what it was sent
_TERM: Final = 1.5  # seconds that it gets between SIGTERM and the end of its sandbox
_RELEASED: Final = 1.5  # seconds that a stop waits for the sandbox's end, which goes on after that
_HALF_CLOSED: Final = 1.0  # seconds in which the end of what no longer reads is told
_SIGNALS: Final = {(signal.strsignal(each) or "").lower(): each.name for each in signal.Signals}
_SIGNALLED: Final = "signal: "


class Hosted:
    """A `runtime.base.Running`. `release` gives its sandbox back, once; it answers with the task that does."""

    def __init__(
        self,
        name: str,
        output: Output,
        limit: int,
        redact: Redact,
        sandbox: "AsyncSandbox",
        release: Callable[[], asyncio.Task[None]],
        term: Term,
    ) -> None:
        self._name = name
        self._output = output
        self._sandbox = sandbox
        self._release = release
        self._splitter = LineSplitter(limit, output.line, output.oversized)
        self._stderr = StderrTail(name, redact, output.said)
        self._feed = Feed(self._send)
        self._lease = Lease(term, sandbox.set_timeout, output.said)
        self._handle: AsyncCommandHandle[None]
        self._exited = asyncio.Event()
        self._gone = asyncio.Event()
        self._released: asyncio.Task[None] | None = None
        self._stopping = False
        self._reason = ""
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self, command: str, environment: Mapping[str, str], cwd: str | None) -> None:
        """Raises what the SDK raises."""
        self._handle = await self._sandbox.commands.run(
            _SCRIPT,
            background=True,
            envs={**environment, COMMAND: command},
            cwd=cwd,
            stdin=True,
            timeout=0,
            on_stdout=self._heard,
            on_stderr=self._complained,
            retain_output=False,
        )
        for work, what in ((self._watch(), "watch"), (self._write(), "feed"), (self._lease.keep(), "keep")):
            self._tasks.append(asyncio.create_task(work, name=f"{what} {self._name} in E2B"))

    @property
    def pid(self) -> int:
        """In its sandbox; no process of this machine."""
        return int(self._handle.pid)

    @property
    def reads(self) -> bool:
        return self._feed.reads

    async def ready(self) -> None:
        await self._feed.ready()

    def write(self, line: bytes) -> None:
        self._feed.write(line)

    def post(self, line: bytes) -> bool:
        return self._feed.post(line)

    def last_words(self) -> str:
        return self._stderr.last()

    async def stop(self, grace: float) -> None:
        if self._stopping:
            await _within(self._gone, grace + _TERM + _RELEASED)
            return
        self._stopping = True
        try:
            if not self._gone.is_set():
                await self._leave(grace)
        finally:
            self._end("was stopped")
        await asyncio.wait([*self._tasks, *([self._released] if self._released else [])], timeout=_RELEASED)

    async def _leave(self, grace: float) -> None:
        """Closed input, then SIGTERM; the SDK itself knows SIGKILL only."""
        with suppress(Exception):  # whatever is in the way: its sandbox is ended next
            async with asyncio.timeout(grace):
                await self._feed.emptied()
                await self._handle.close_stdin(grace)
                await self._exited.wait()
        if not self._exited.is_set():
            with suppress(Exception):
                async with asyncio.timeout(_TERM):
                    await self._sandbox.commands.run(_LEAVE.format(self.pid), timeout=_TERM)
                    await self._exited.wait()

    # What the sandbox says.

    def _heard(self, text: str) -> None:
        self._lease.used()
        self._splitter.feed(text.encode())

    def _complained(self, text: str) -> None:
        self._stderr.feed(text.encode())

    async def _send(self, piece: bytes) -> None:
        self._lease.used()
        await self._handle.send_stdin(piece, _UNREAD)

    async def _write(self) -> None:
        try:
            await self._feed.run()
        except Exception as error:  # the SDK raises what four libraries raise
            self._feed.close()
            # One that ended does not read either, and its end says more.
            if not await _within(self._exited, _HALF_CLOSED):
                self._end(f"did not read its input for {_UNREAD:g} s" if is_late(error) else lost(error))

    async def _watch(self) -> None:
        try:
            await self._handle.wait()
            reason = "exited with code 0"
        except Exception as error:  # as above
            code = getattr(error, "exit_code", None)
            reason = lost(error) if code is None else _exit_words(code, getattr(error, "error", None) or "")
        finally:
            await self._handle.disconnect()
        self._reason = reason
        self._exited.set()
        if not self._stopping:
            self._end(reason)

    def _end(self, reason: str) -> None:
        if self._gone.is_set():
            return
        self._gone.set()
        self._feed.close()
        current = asyncio.current_task()
        for task in self._tasks:
            if task is not current:
                task.cancel()
        self._released = self._release()
        self._stderr.end()
        words = self.last_words()
        self._output.ended(f"{self._reason or reason}{': ' if words else ''}{words}")


def _exit_words(code: int, error: str) -> str:
    """`error` is Go's `ExitError`: `exit status 3`, `signal: killed`, `signal: aborted (core dumped)`."""
    if not error.startswith(_SIGNALLED):
        return f"exited with code {code}"
    words = error.removeprefix(_SIGNALLED).removesuffix(" (core dumped)")
    return f"was killed by {_SIGNALS.get(words, words)}"


async def _within(event: asyncio.Event, seconds: float) -> bool:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()
