"""Servers behind namespaces: `bwrap`, as whoever the gateway runs as; root's servers get a uid that nobody has."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from toolgate.errors import StartFailed
from toolgate.runtime.base import Launch, Output, Redact, Running
from toolgate.runtime.bubblewrap_arguments import Passed, command_line
from toolgate.runtime.bubblewrap_hold import Held, Informed
from toolgate.runtime.bubblewrap_plan import Plan, Planner
from toolgate.runtime.bubblewrap_tools import Tools, find_tools
from toolgate.runtime.canaries import examine, nothing
from toolgate.runtime.cgroup import Cgroups
from toolgate.runtime.child import Process
from toolgate.runtime.command import found
from toolgate.runtime.egress.egress import Egress
from toolgate.runtime.group_keeper import GroupKeeper
from toolgate.runtime.protections import Protections
from toolgate.runtime.seccomp import program as seccomp
from toolgate.runtime.spawn import Spawn, spawn
from toolgate.runtime.staging import Identities

__all__ = ["Bubblewrap"]


class Bubblewrap:
    """A `runtime.protections.Sandbox`. `state` is the gateway's own folder: homes that survive are made below it, and
    no server sees anything of it. Made once; it keeps what it found out about this machine."""

    name = "bubblewrap"

    def __init__(self, state: Path) -> None:
        self._state = state.absolute()
        self._machine: tuple[Tools, Planner] | None = None
        self._identities = Identities()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._keeper = GroupKeeper()

    async def __call__(self, name: str, launch: Launch, output: Output, *, limit: int, redact: Redact) -> Running:
        program, cwd = found(launch)
        tools, planner = await asyncio.to_thread(self._look)
        plan = await self._planned(lambda: planner(name, launch, program, cwd))
        start = _Start(name, launch, tools, output, limit, redact, self._later, self._keeper)
        try:
            with plan.held:
                await self._keeper.begin()
                return await start(plan)
        except BaseException:
            self._later(asyncio.to_thread(plan.group.remove))
            raise

    async def close(self) -> None:
        """Wait until nothing is left of those that ended."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._keeper.close()
        self._identities.close()

    async def probe(self) -> Protections:
        try:
            _, planner = await asyncio.to_thread(self._look)
        except StartFailed as error:
            return nothing(f"{error.message}: {error.hint}")
        return await examine(self, planner.cgroups.walls)

    async def _planned(self, planner: Callable[[], Plan]) -> Plan:
        planning = asyncio.get_running_loop().create_task(asyncio.to_thread(planner), name="plan a sandbox")
        try:
            return await asyncio.shield(planning)
        except asyncio.CancelledError:  # a thread cannot be: what it has made is taken back once it is through
            self._later(_forsaken(planning))
            raise

    def _look(self) -> tuple[Tools, Planner]:
        if self._machine is None:
            root, cgroups = os.geteuid() == 0, Cgroups.found()
            cgroups.sweep()
            self._machine = find_tools(root=root), Planner(self._state, cgroups, root, self._identities)
        return self._machine

    def _later(self, work: Coroutine[Any, Any, Any]) -> None:
        """Done on the loop, whoever started it being gone."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _forsaken(planning: asyncio.Task[Plan]) -> None:
    with suppress(StartFailed):
        plan = await planning
        plan.held.close()
        await asyncio.to_thread(plan.group.remove)


@dataclass(frozen=True, slots=True)
class _Start:
    """One start of one server."""

    name: str
    launch: Launch
    tools: Tools
    output: Output
    limit: int
    redact: Redact
    later: Callable[[Coroutine[Any, Any, Any]], None]
    keeper: GroupKeeper

    async def __call__(self, plan: Plan) -> Process:
        """Raises `StartFailed`."""
        egress = self._egress()
        if egress is not None:
            plan.view = replace(plan.view, hosts=egress.hosts, resolv=egress.resolv)

        group, over = 0, False

        def gone() -> None:
            nonlocal over
            over = True
            if group:
                self.keeper.remove(group)
            if egress is not None:
                self.later(egress.close())
            self.later(asyncio.to_thread(plan.group.remove))

        held = Held(self.output)
        with Informed() as informed:
            process = await self._spawned(plan, held, informed, gone)
            if not over:
                self.keeper.add(group := process.pid)
            try:
                await held.stands()
                if egress is not None:
                    await egress.enter(informed.pid())
            except OSError as error:
                await process.stop(0)
                raise StartFailed(f"the way out of its sandbox could not be built: {error}") from None
            except BaseException:
                await process.stop(0)
                raise
        process.write(b"go")
        return process

    def _egress(self) -> Egress | None:
        network = self.launch.profile.network
        try:
            return Egress(network, self._tell) if network else None
        except ValueError as error:
            raise StartFailed(f"its network cannot be granted: {error}", hint="correct `network`") from None

    async def _spawned(self, plan: Plan, held: Held, informed: Informed, gone: Callable[[], None]) -> Process:
        # Its network is its own in any case, and programs speak to their own parts over its loopback.
        with Passed() as passed:
            argv = command_line(self.tools, plan.view, seccomp(network=True), passed, informed)
            child = Spawn(
                argv,
                {},
                "/",
                (*passed.descriptors, informed.theirs),
                plan.enter,
                command=self.launch.command,
                ended=gone,
                around=True,
            )
            return await spawn(self.name, child, held, limit=self.limit, redact=self.redact)

    def _tell(self, sentence: str) -> None:
        self.output.said(self.redact(sentence))
