"""A process that the rig started: its time, its memory, its end."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.cores import pinned

__all__ = ["Child", "Unavailable", "started"]

_ENDS_WITHIN = 20.0  # seconds


class Unavailable(Exception):
    """Something that is compared with is not here, or does not start. The text goes into the table."""


@dataclass
class Child:
    """`tree` counts what the process started, too: workers, but also servers."""

    process: asyncio.subprocess.Process
    log: Path
    tree: bool = True

    @property
    def pid(self) -> int:
        return self.process.pid

    def _all(self) -> list[psutil.Process]:
        return [psutil.Process(self.pid), *(self.below() if self.tree else ())]

    def below(self) -> list[psutil.Process]:
        """What it started, and what those started."""
        return psutil.Process(self.pid).children(recursive=True)

    def cpu(self) -> float:
        """Seconds of processor time so far, of user and of system."""
        return sum(sum(process.cpu_times()[:2]) for process in self._all())

    def memory(self) -> float:
        """MB, shared pages counted in parts (PSS)."""
        return sum(process.memory_full_info().pss for process in self._all()) / 1e6

    def peak(self) -> float:
        """MB that were resident at most since `forget_peak` (VmHWM)."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024 / 1e6

    def forget_peak(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def descriptors(self) -> int:
        return sum(process.num_fds() for process in self._all())

    def tail(self) -> str:
        """What it said last."""
        lines = self.log.read_text(errors="replace").split("\n")
        return " | ".join([line.strip()[:300] for line in lines if line.strip()][-3:])

    async def said(self, within: float = 20.0) -> str:
        """The first line on its standard output. Raises `Unavailable`."""
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(within):
                line = await self.process.stdout.readline()
        except TimeoutError:
            line = b""
        if not line:
            raise Unavailable(f"it did not start: {self.tail()}")
        return line.decode().strip()


@asynccontextmanager
async def started(
    command: Sequence[str],
    log: Path,
    core: int | Sequence[int],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    tree: bool = True,
    pipes: bool = False,
) -> AsyncIterator[Child]:
    """The process, on that core; it is asked to end afterwards, and then made to. `pipes`: its input and output are
    ours (the output is read by nobody else, so it must not say much)."""
    pipe = asyncio.subprocess.PIPE if pipes else None
    # Measuring the coverage of a process takes several times what the process does.
    kept = {name: value for name, value in (env or os.environ).items() if not name.startswith("COV")}
    with log.open("ab") as errors, pinned(*([core] if isinstance(core, int) else core)):
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=pipe or asyncio.subprocess.DEVNULL,
            stdout=pipe or errors,
            stderr=errors,
            env=kept,
            cwd=cwd,
        )
    child = Child(process, log, tree)
    try:
        yield child
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    below = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    try:
        async with asyncio.timeout(_ENDS_WITHIN):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
    for left in below:
        if left.is_running():
            left.kill()
