"""Servers held by Landlock, seccomp and limits, on machines where nobody may make a user namespace.

Nothing is hidden by being elsewhere, as with bubblewrap: a server sees the machine's own paths and may open few of
them.
"""

import asyncio
import marshal
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from urllib.parse import quote

from toolgate.errors import StartFailed
from toolgate.model.profile import Wall
from toolgate.runtime import landlock_launcher
from toolgate.runtime.affinity import few_processors
from toolgate.runtime.base import Launch, Output, Redact, Running
from toolgate.runtime.cgroup import Cgroups
from toolgate.runtime.command import found
from toolgate.runtime.landlock_abi import version
from toolgate.runtime.landlock_plan import Site, planned
from toolgate.runtime.landlock_probe import examined
from toolgate.runtime.private_rooms import Room, Rooms
from toolgate.runtime.protections import Protections
from toolgate.runtime.seccomp import speaks
from toolgate.runtime.spawn import Spawn, spawn
from toolgate.runtime.uids import free_uid
from toolgate.runtime.visible import hidden, visible

__all__ = ["Landlock"]


@dataclass(frozen=True, slots=True)
class _Start:
    plan: int
    """A descriptor that the launcher reads."""
    enter: Callable[[], None]
    left: Callable[[], None]
    """After its end. Its room is removed by its keeper, which outlives us."""
    undo: Callable[[], None]
    """Instead of a start. Both wait for the kernel, so they are not for the event loop."""


class Landlock:
    """A `runtime.protections.Sandbox`. `state` is the gateway's own folder: homes that survive are made below it, and
    no server sees anything of it. `grouped` False leaves control groups alone, as where they are not writable."""

    name = "landlock"

    def __init__(self, state: Path, *, grouped: bool = True) -> None:
        self._state = state
        self._rooms = Rooms()
        self._cgroups = Cgroups.found() if grouped else Cgroups({}, unified=True)
        self._leaving: set[asyncio.Task[None]] = set()

    async def __call__(self, name: str, launch: Launch, output: Output, *, limit: int, redact: Redact) -> Running:
        program, cwd = found(launch)
        start = await self._prepare(name, launch, program, cwd)
        argv = [sys.executable, "-I", "-S", _launcher(), str(start.plan)]
        child = Spawn(
            argv,
            {},
            "/",
            pass_fds=(start.plan,),
            preexec=start.enter,
            command=launch.command,
            ended=lambda: self._run(start.left),
        )
        try:
            return await spawn(name, child, output, limit=limit, redact=redact)
        except BaseException:
            self._run(start.undo)
            raise
        finally:
            os.close(start.plan)

    async def probe(self) -> Protections:
        return await examined(self, version(), self._cgroups.walls)

    async def close(self) -> None:
        """Waits until nothing is left of servers that ended."""
        while self._leaving:
            await asyncio.gather(*self._leaving)
        await asyncio.to_thread(self._rooms.close)

    async def _prepare(self, name: str, launch: Launch, program: str, cwd: str | None) -> _Start:
        preparing = asyncio.get_running_loop().create_task(
            asyncio.to_thread(self._prepared, name, launch, program, cwd), name="prepare a sandbox"
        )
        try:
            return await asyncio.shield(preparing)
        except asyncio.CancelledError:  # a thread cannot be: what it has made is taken back once it is through
            preparing.add_done_callback(self._forsaken)
            raise

    def _forsaken(self, preparing: asyncio.Task[_Start]) -> None:
        if not preparing.cancelled() and preparing.exception() is None:
            os.close(preparing.result().plan)
            self._run(preparing.result().undo)

    def _prepared(self, name: str, launch: Launch, program: str, cwd: str | None) -> _Start:
        abi = version()
        if not abi or not speaks():
            raise StartFailed(
                "this machine has no Landlock", hint="use another runtime, or a kernel with Landlock in `lsm=`"
            )
        for mount in launch.profile.mounts:
            if not os.path.exists(mount.path):
                raise StartFailed(
                    f"{mount.path}, which it is given, does not exist", hint="create it or correct mounts"
                )
        uid = free_uid(token_hex()) if os.geteuid() == 0 else None
        with ExitStack() as undone:
            try:
                room = self._rooms.make(uid)
                undone.callback(room.remove)
                group = self._cgroups.make(launch.profile)
                undone.callback(group.remove)
                site = self._site(name, launch, program, cwd, room, abi, uid)
                plan = _in_memory(marshal.dumps(dict(planned(launch, site))))
            except OSError as error:
                raise StartFailed(f"its sandbox could not be prepared: {error}") from None
            undo = undone.pop_all().close
        processors = None if Wall.CPU in self._cgroups.walls else few_processors(launch.profile.cpus)
        return _Start(plan, _in_turn(group.join, processors), group.remove, undo)

    def _site(
        self, name: str, launch: Launch, program: str, cwd: str | None, room: Room, abi: int, uid: int | None
    ) -> Site:
        mounts = visible(launch, program)
        barred = frozenset(hidden(mounts, str(self._state)))
        home = self._lasting_home(name, launch) if launch.profile.persistent else room.home
        return Site(abi, program, cwd, room, home, mounts, barred, uid, self._cgroups.walls)

    def _lasting_home(self, name: str, launch: Launch) -> Path:
        home = self._state / "homes" / (quote(launch.owner, safe="") or "_") / name
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return home

    def _run(self, step: Callable[[], None]) -> None:
        leaving = asyncio.get_running_loop().create_task(asyncio.to_thread(step), name="remove a sandbox")
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)


def _launcher() -> str:
    """Compiled where it can be, which saves some milliseconds of each start."""
    compiled = landlock_launcher.__spec__.cached if landlock_launcher.__spec__ else None
    return compiled if compiled and os.path.exists(compiled) else landlock_launcher.__file__


def _in_turn(first: Callable[[], None], second: Callable[[], None] | None) -> Callable[[], None]:
    def both() -> None:
        first()
        if second is not None:
            second()

    return both


def _in_memory(content: bytes) -> int:
    """A file that is nowhere, read from its beginning."""
    file = os.memfd_create("plan", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(file), "wb") as writer:
        writer.write(content)
    os.lseek(file, 0, os.SEEK_SET)
    return file
