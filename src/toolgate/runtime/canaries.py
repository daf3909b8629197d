"""What a runtime can do on this machine, found out by a program that tries to get past each of its walls."""

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from toolgate.errors import StartFailed
from toolgate.model.profile import Profile, Wall
from toolgate.runtime.base import Launch, Runtime
from toolgate.runtime.protections import Finding, Grade, Protections

__all__ = ["examine", "nothing", "works"]

_PROFILE: Final = Profile(memory=64 * 2**20, processes=24, tmp=2 * 2**20, cpus=1)
_LET_OUT: Final = Profile(memory=64 * 2**20, network=("toolgate.invalid",))
_PROCESSORS: Final = 1.4  # that two busy processes have, over a time in which no quota is exact
_ANSWER: Final = 10.0  # seconds
_ENDED: Final = 0.5  # seconds until what was killed is gone
_LIMIT: Final = 64 * 1024
_SOURCE: Final = Path(__file__).with_name("canary.py")


async def examine(runtime: Runtime, bounded: Collection[Wall] = frozenset()) -> Protections:
    """Never raises. Takes two starts; the second, with a way out, only where no other network can be reached. `bounded`
    says what the runtime sets a bound for that one glance cannot tell from a busy machine: `Wall.CPU`."""
    try:
        with _Bait() as bait:
            said, orphans = await _try(runtime, bait, _PROFILE)
            found = _judged(said, bounded, arrived=bait.arrived())
            found[Wall.ORPHANS] = orphans
            found[Wall.EGRESS] = await _egress(runtime, bait, found[Wall.NETWORK])
            return found
    except (StartFailed, OSError, TimeoutError) as error:
        return nothing(f"it does not work here: {error}")


async def works(runtime: Runtime) -> str:
    """Why nothing starts in it; empty where something does."""
    try:
        end = _End()
        launch = Launch("/bin/sh", ("-c", ":"), {"PATH": os.defpath}, profile=_PROFILE, owner="canary")
        running = await runtime("canary", launch, end, limit=_LIMIT, redact=str)
        try:
            async with asyncio.timeout(_ANSWER):
                reason = (await end.came).decode()
        finally:
            await running.stop(0)
    except StartFailed as error:
        return f"{error.message}: {error.hint}" if error.hint else error.message
    except (OSError, TimeoutError) as error:
        return str(error) or "nothing that is started there ends"
    return "" if reason == "exited with code 0" else reason


def nothing(reason: str) -> dict[Wall, Finding]:
    return {wall: Finding(Grade.ABSENT, reason) for wall in Wall}


def _judged(said: Mapping[str, Any], bounded: Collection[Wall], *, arrived: bool) -> dict[Wall, Finding]:
    loopback = said["connected"] or (said["sent"] and arrived)
    return {
        Wall.FILESYSTEM: _grade(
            (said["read"] and said["written"], "files of this machine can be read and written"),
            (said["read"] or said["written"], "files of this machine can be read, or written"),
        ),
        Wall.NETWORK: _grade(
            (loopback, "what listens on this machine can be reached"),
            (said["abstract"], "programs of this machine can be reached through abstract sockets"),
        ),
        Wall.PROCESSES: _grade((said["multiplied"], "it can start as many processes as the machine bears")),
        Wall.MEMORY: _grade(
            (said["grown"], "it can take all memory of the machine"),
            (said["grown_together"], "each of its processes is bounded, and not all of them together"),
            (said["shared"] or said["memfd"], "memory that processes share is not bounded"),
        ),
        Wall.CPU: _cpu(said, bounded),
        Wall.TEMPORARY: _grade((said["filled"], "temporary files can fill the disk")),
        Wall.SYSCALLS: _grade(
            (said["namespace"] and said["traced"], "no system call is refused"),
            (said["namespace"] or said["traced"] or said["memfd"], "not all are refused that should be"),
        ),
    }


def _grade(absent: tuple[Any, str], *partial: tuple[Any, str]) -> Finding:
    if absent[0]:
        return Finding(Grade.ABSENT, absent[1])
    reason = next((reason for open_, reason in partial if open_), "")
    return Finding(Grade.PARTIAL, reason) if reason else Finding(Grade.ENFORCED)


def _cpu(said: Mapping[str, Any], bounded: Collection[Wall]) -> Finding:
    if Wall.CPU in bounded and said["processors"] < _PROCESSORS:
        return Finding(Grade.ENFORCED)
    if said["chosen"]:
        return Finding(Grade.PARTIAL, "held to some of the processors, which others may use as well")
    return Finding(Grade.ABSENT, "no control group shares the processors out")


async def _egress(runtime: Runtime, bait: "_Bait", network: Finding) -> Finding:
    if network.grade is not Grade.ENFORCED:
        return Finding(network.grade, network.reason)
    try:
        said, _ = await _try(runtime, bait, _LET_OUT, "out")
    except (StartFailed, OSError, TimeoutError) as error:
        return Finding(Grade.ABSENT, f"no way out could be built: {error}")
    return _grade((said["connected"] or bait.arrived(), "what listens on this machine can be reached"))


async def _try(runtime: Runtime, bait: "_Bait", profile: Profile, *only: str) -> tuple[Mapping[str, Any], Finding]:
    """What the canary said, and whether something of it was left when its first process was killed."""
    answer = _Answer()
    arguments = ("-I", "-S", "-c", _SOURCE.read_text(), bait.folder[1:], str(bait.port), bait.name, *only)
    launch = Launch(sys.executable, arguments, {"PATH": os.defpath}, profile=profile, owner="canary")
    running = await runtime("canary", launch, answer, limit=_LIMIT, redact=str)
    try:
        async with asyncio.timeout(_ANSWER):
            line = await answer.came
        os.kill(running.pid, signal.SIGKILL)
        left = await _left(bait.name)
    finally:
        await running.stop(0)
    for pid in left:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    return msgspec.json.decode(line), _grade((left, "what leaves its session lives on"))


async def _left(name: str) -> list[int]:
    """Processes with this name in their command line, after they had a moment to end."""
    until = asyncio.get_running_loop().time() + _ENDED
    # Nothing tells when a process that is not our child ends.
    while (left := await asyncio.to_thread(_named, name)) and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return left


def _named(name: str) -> list[int]:
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if name.encode() in _command_line(pid)]


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # gone, or a kernel that shows no others
        return b""


@dataclass
class _Answer:
    """A `runtime.base.Output` for one line."""

    came: asyncio.Future[bytes] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def line(self, line: bytes) -> None:
        if not self.came.done():
            self.came.set_result(line)

    def oversized(self, head: bytes, tail: bytes, size: int) -> None:
        self.ended(f"it wrote a line of {size} bytes")

    def said(self, line: str) -> None:
        """What it writes to standard error is told with its end."""

    def ended(self, reason: str) -> None:
        if not self.came.done():
            self.came.set_exception(StartFailed(reason))


class _End(_Answer):
    """A `runtime.base.Output` that waits for the end."""

    def line(self, line: bytes) -> None:
        """Nothing is expected."""

    def ended(self, reason: str) -> None:
        if not self.came.done():
            self.came.set_result(reason.encode())


class _Bait:
    """What must not be reached: a file that whoever runs the gateway can read and write, and listeners of its own."""

    def __init__(self) -> None:
        self.name = f"toolgate-canary-{secrets.token_hex(8)}"

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            # Not below /tmp, where a sandbox has something else.
            folder = stack.enter_context(tempfile.TemporaryDirectory(dir=_outside()))
            Path(folder, "canary").write_text("x")
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            self.port = listener.getsockname()[1]
            self._datagrams = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            self._datagrams.bind(("127.0.0.1", self.port))
            self._datagrams.setblocking(False)
            if sys.platform == "linux":
                abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
                abstract.bind(f"\0{self.name}")
                abstract.listen()
            self.folder = folder
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def arrived(self) -> bool:
        try:
            return bool(self._datagrams.recv(16))
        except BlockingIOError:
            return False


def _outside() -> str | None:
    places: Iterator[str] = (place for place in ("/var/tmp", str(Path.home())) if os.access(place, os.W_OK))  # noqa: S108
    return next(places, None)
