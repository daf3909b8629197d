"""Run the program that installs: bounded, with a clean environment, behind the walls that there are."""

import asyncio
import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol

from toolgate.errors import StartFailed
from toolgate.model.profile import Mount, Profile, Wall
from toolgate.runtime.base import Launch, Redact, Runtime

__all__ = ["Job", "Result", "Run", "Runner"]

_LINE: Final = 64 * 1024
_KEPT: Final = 4000  # lines of what it wrote
_GRACE: Final = 0.0
# It runs nothing of a package, so it is not refused where walls are missing.
_PROFILE: Final = Profile(memory=2 * 2**30, processes=256, cpus=2.0, tmp=256 * 2**20, accept=frozenset(Wall))
# Both streams as one, the status behind them; a file of at most 2 GiB (POSIX counts in blocks of 512 bytes).
_SHELL: Final = 'umask 022; ulimit -f 4194304; mark=$1; shift; "$@" 2>&1; printf "\\n%s %s\\n" "$mark" "$?"'


@dataclass(frozen=True, slots=True)
class Job:
    """`hosts` are all that it may reach; `writable` is all that it may write, and where it runs; `visible` is what it
    has to see besides the system."""

    argv: tuple[str, ...] = field(repr=False)
    writable: Path
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    hosts: tuple[str, ...] = ()
    visible: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """`text` is the end of what it wrote to both streams."""

    code: int
    text: str


class Run(Protocol):
    async def __call__(self, job: Job) -> Result:
        """Run it to its end; all of it is killed when the task that waits is cancelled. Raises `StartFailed`."""
        ...


class Runner:
    """A `Run` by way of any `Runtime`: what walls there are is the runtime's word."""

    def __init__(self, runtime: Runtime, redact: Redact = str) -> None:
        self._runtime = runtime
        self._redact = redact

    async def __call__(self, job: Job) -> Result:
        mark = secrets.token_hex(8)
        mounts = (Mount(str(job.writable), writable=True), *(Mount(str(path)) for path in job.visible))
        launch = Launch(
            "/bin/sh",
            ("-c", _SHELL, "sh", mark, *job.argv),
            job.environment,
            str(job.writable),
            replace(_PROFILE, network=job.hosts, mounts=mounts),
        )
        output = _Output(mark)
        process = await self._runtime("package installer", launch, output, limit=_LINE, redact=self._redact)
        try:
            reason = await output.gone
        finally:
            await process.stop(_GRACE)
        if output.code is None:
            raise StartFailed(f"its installer {self._redact(reason)}")
        return Result(output.code, self._redact("\n".join(output.lines)))


class _Output:
    """A `runtime.base.Output`."""

    def __init__(self, mark: str) -> None:
        self._mark = mark.encode() + b" "
        self.lines: deque[str] = deque(maxlen=_KEPT)
        self.code: int | None = None
        self.gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def line(self, line: bytes) -> None:
        if line.startswith(self._mark):
            self.code = int(line[len(self._mark) :])
        else:
            self.lines.append(line.decode(errors="replace"))

    def oversized(self, head: bytes, tail: bytes, size: int) -> None:
        self.lines.append(head.decode(errors="replace"))

    def said(self, text: str) -> None:
        self.lines.append(text)

    def ended(self, reason: str) -> None:
        if not self.gone.done():
            self.gone.set_result(reason)
