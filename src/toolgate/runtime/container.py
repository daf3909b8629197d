"""Servers in containers, by podman or docker: `docker run` in a definition, with the walls of the profile around it."""

import asyncio
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from toolgate.errors import StartFailed
from toolgate.model.profile import Wall
from toolgate.runtime.base import Launch, Output, Redact, Running
from toolgate.runtime.canaries import examine, nothing
from toolgate.runtime.child import Process
from toolgate.runtime.container_engine import PASSED, Engine, client_environment, last, with_own
from toolgate.runtime.container_host import within
from toolgate.runtime.container_images import Images, write
from toolgate.runtime.container_options import Image, Volume, image_of
from toolgate.runtime.container_seccomp import profile
from toolgate.runtime.container_way_out import WayOut
from toolgate.runtime.egress.entering import NotEntered
from toolgate.runtime.protections import Finding, Grade, Protections
from toolgate.runtime.spawn import Spawn, spawn
from toolgate.runtime.uids import free_uid
from toolgate.runtime.undertaker import Undertaker

__all__ = ["LABEL", "Containers"]

LABEL: Final = "toolgate.gateway"
_STARTED_BY: Final = "toolgate.process"
_HOME: Final = "/home/mcp"
_TMP: Final = "/tmp"  # noqa: S108  # the container's own
_SHM: Final = 16 * 2**20
_GVISOR: Final = "gvisor"
_HOLDS: Final = "podman"  # alone builds a container without beginning it, and on this machine's own network stack
_SENTRY: Final = (128 * 2**20, 256)  # bytes and threads that gVisor's own kernel takes of what a container may have
_FILES: Final = 256
_NPROC: Final = 4_096
_SWEPT: Final = 30.0  # seconds
_FIRST, _MAPPED = 1_000, 60_000  # of the ids that an engine without privileges gives to users inside

_ROOMY: Final = 2**30
_OWN_KERNEL: Final = {
    Wall.SYSCALLS: Finding(Grade.ENFORCED, "its calls are answered by gVisor's own kernel"),
    Wall.PROCESSES: Finding(Grade.PARTIAL, "they are bounded by its memory alone"),
    Wall.MEMORY: Finding(Grade.PARTIAL, "bounded by the engine, with gVisor's own; not tried"),
    Wall.CPU: Finding(Grade.PARTIAL, "bounded by the engine; not tried"),
}
"""What a canary cannot tell from inside another kernel."""


@dataclass(frozen=True, slots=True)
class _Boxed:
    """One container to be. `pinned` is its image by digest."""

    engine: str
    container: str
    launch: Launch
    image: Image
    pinned: str
    seccomp: str
    """The file with the filter."""


class Containers:
    """A `runtime.protections.Sandbox` over one engine. `gateway` names this gateway among all that use the engine:
    what another start of it left behind is removed by `sweep`. `folder` is where it keeps which image a
    name stands for. With `runsc` the engine runs them in gVisor."""

    def __init__(self, engine: str, gateway: str, *, folder: Path, runtime: str = "") -> None:
        self.name = _GVISOR if runtime == "runsc" else engine
        self._engine = Engine(engine)
        self._images = Images(self._engine, folder)
        self._gateway = gateway
        self._runtime = ("--runtime", runtime) if runtime else ()
        self._folder = folder
        self._seccomp: str | None = None
        self._swept: asyncio.Task[int] | None = None

    async def __call__(self, name: str, launch: Launch, output: Output, *, limit: int, redact: Redact) -> Running:
        engine = self._engine.path()
        image = image_of(launch)
        if image is None:
            launch = await within(engine, launch)
            image = image_of(launch)
        if image is None:
            raise TypeError("an image was just named")
        self._check(launch)
        await self._sweep_once()
        pinned = await self._images.pin(image)
        boxed = _Boxed(engine, f"toolgate-{secrets.token_hex(8)}", launch, image, pinned, await self._filter())
        undertaker = await Undertaker.begin(engine, boxed.container)
        way_out = None
        try:
            if launch.profile.network:
                way_out = WayOut(launch.profile.network, output.said)
                argv, environment = await self._held(boxed, way_out), client_environment()
            else:
                argv = [engine, *self._runtime, "run", *self._arguments(boxed)]
                environment = with_own(image.environment)
            child = Spawn(argv, environment, command=self._engine.name, ended=undertaker.release)
            process = await spawn(name, child, output, limit=limit, redact=redact)
        except BaseException as error:
            await _leave(undertaker, way_out)
            if isinstance(error, NotEntered | ValueError):
                raise StartFailed(f"no way out of its container could be built: {error}") from None
            raise
        return _Contained(process, undertaker, way_out)

    async def probe(self) -> Protections:
        try:
            self._engine.path()
        except StartFailed as error:
            return nothing(error.message)
        if self.name != _GVISOR:
            return await examine(self, frozenset({Wall.CPU}))
        # What goes over its memory ends as a whole, and with it a canary that would tell of it.
        found = await examine(self._with_room)
        return {**found, **_OWN_KERNEL} if found[Wall.FILESYSTEM].grade is Grade.ENFORCED else found

    async def _with_room(self, name: str, launch: Launch, output: Output, *, limit: int, redact: Redact) -> Running:
        roomy = replace(launch, profile=replace(launch.profile, memory=_ROOMY))
        return await self(name, roomy, output, limit=limit, redact=redact)

    async def close(self) -> None:
        """Each server's container went with it."""

    async def sweep(self) -> int:
        """Remove what starts of this gateway left behind whose undertakers were ended with them, as by a reboot. The
        answer is how many there were."""
        with suppress(StartFailed):
            shown = '{{.ID}} {{index .Labels "' + _STARTED_BY + '"}}'
            label = f"label={LABEL}={self._gateway}"
            found = await self._engine.ask("ps", "--all", "--filter", label, "--format", shown)
            rows = [line.split() for line in found.out.splitlines()]
            if left := [row[0] for row in rows if row and not _lives(row[-1])]:
                await self._engine.ask("rm", "--force", *left, seconds=_SWEPT)
            return len(left)
        return 0

    async def _sweep_once(self) -> None:
        if self._swept is None:
            self._swept = asyncio.get_running_loop().create_task(self.sweep(), name=f"sweep {self.name}")
        await asyncio.shield(self._swept)

    def _check(self, launch: Launch) -> None:
        if launch.profile.persistent:
            raise StartFailed(
                "a container has no home that survives", hint="mount a volume where it keeps its data: -v NAME:/path"
            )
        if launch.profile.network and self.name != _HOLDS:
            raise StartFailed(
                f"runtime {self.name} gives no network, and its profile asks for one",
                hint=f"write `runtime: {_HOLDS}`, or run it without a container: name its program in command",
            )

    async def _held(self, boxed: "_Boxed", way_out: WayOut) -> list[str]:
        """Built, with its way out, and not begun. The answer begins it."""
        engine, arguments = boxed.engine, self._arguments(boxed, way_out.volumes)
        made = await self._engine.ask(*self._runtime, "create", *arguments, own=boxed.image.environment)
        begun = await self._engine.ask(*self._runtime, "init", boxed.container) if not made.code else made
        if begun.code:
            raise StartFailed(f"its container could not be made: {last(begun.err)}")
        told = await self._engine.ask("inspect", "--format", "{{.State.Pid}}", boxed.container)
        await way_out.enter(int(told.out.strip() or 0))
        return [engine, *self._runtime, "start", "--attach", "--interactive", boxed.container]

    def _arguments(self, boxed: "_Boxed", more: Sequence[Volume] = ()) -> list[str]:
        launch, image = boxed.launch, boxed.image
        profile = launch.profile
        memory, processes = profile.memory, profile.processes
        if self.name == _GVISOR:
            memory, processes = memory + _SENTRY[0], processes + _SENTRY[1]
        uid = free_uid(launch.owner)
        if self._engine.name == _HOLDS and os.geteuid() != 0:
            uid = uid % _MAPPED + _FIRST
        words = [
            "--rm", "--interactive", "--pull", "never", "--name", boxed.container,
            "--label", f"{LABEL}={self._gateway}", "--label", f"{_STARTED_BY}={_started(os.getpid())}",
            "--hostname", "mcp", "--log-driver", "none",
            "--network", "none", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
            "--security-opt", f"seccomp={boxed.seccomp}",
            "--user", f"{uid}:{uid}", "--pids-limit", str(processes),
            "--memory", str(memory), "--memory-swap", str(memory), "--cpus", f"{profile.cpus:g}",
            "--ulimit", f"nofile={_FILES}:{_FILES}", "--ulimit", "core=0:0", "--shm-size", str(_SHM),
            "--tmpfs", f"{_TMP}:rw,nosuid,nodev,size={profile.tmp},mode=1777",
            "--tmpfs", f"{_HOME}:rw,nosuid,nodev,size={profile.tmp},mode=1777", "--env", f"HOME={_HOME}",
        ]  # fmt: skip
        if self._engine.name == _HOLDS:
            # The engine tries to give more than it may have itself where no number is named.
            words += ["--read-only-tmpfs=false", "--no-hosts", "--ulimit", f"nproc={_NPROC}:{_NPROC}"]
        mounts = [Volume(mount.path, mount.path, mount.writable) for mount in profile.mounts]
        for volume in (*more, *image.volumes, *mounts):
            words += ["--volume", f"{volume.source}:{volume.target}:{'rw' if volume.writable else 'ro'}"]
        for variable, value in image.environment.items():
            # A value stays out of the command line, which all users may read, unless the engine would obey it.
            words += ["--env", f"{variable}={value}" if variable in PASSED else variable]
        for option, value in (("--entrypoint", image.entrypoint), ("--workdir", image.workdir)):
            words += [option, value] if value else []
        return [*words, boxed.pinned, *image.args]

    async def _filter(self) -> str:
        """The engine reads it at each start. Written anew by each gateway, since a newer one denies more."""
        if self._seccomp is None:
            path = self._folder / "seccomp.json"
            await asyncio.to_thread(write, path, profile())
            self._seccomp = str(path)
        return self._seccomp


class _Contained:
    """A `runtime.base.Running`: the engine's own command, and the container that it speaks for."""

    def __init__(self, process: Process, undertaker: Undertaker, way_out: WayOut | None) -> None:
        self._process = process
        self._way_out = way_out
        self._undertaker = undertaker
        self.write, self.post, self.last_words = process.write, process.post, process.last_words

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ready(self) -> None:
        await self._process.ready()

    @property
    def reads(self) -> bool:
        return self._process.reads

    async def stop(self, grace: float) -> None:
        try:
            await self._process.stop(grace)
        finally:
            await _leave(self._undertaker, self._way_out)


async def _leave(undertaker: Undertaker, way_out: WayOut | None) -> None:
    await undertaker.bury()
    if way_out is not None:
        await way_out.close()


def _started(pid: int) -> str:
    """A process of this machine, now and for ever: others may get its number."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return str(pid)
    return f"{pid}-{stat.rpartition(')')[2].split()[19]}"


def _lives(started: str) -> bool:
    pid = started.partition("-")[0]
    if not pid.isdigit() or _started(int(pid)) != started:
        return False
    try:
        os.kill(int(pid), 0)
    except OSError:
        return False
    return True
