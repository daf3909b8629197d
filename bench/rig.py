"""What every scenario is built from: the gateway on one core, the callers and the servers on the others."""

import asyncio
import itertools
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.child import Child, started
from bench.cores import Cores
from bench.document import everything_on
from bench.gateway import Gateway, gateway
from bench.nginx import Nginx, nginx
from bench.plan import Plan

__all__ = ["ROOT", "Rig"]

ROOT = Path(__file__).parents[1]


@dataclass
class Rig:
    """`folder` is for everything that is written, and is gone afterwards."""

    plan: Plan
    folder: Path
    cores: Cores

    def __post_init__(self) -> None:
        self._numbers = itertools.count()

    def take_place(self) -> None:
        """This process loads, so it keeps to the core for that; and it may hold many connections.

        SIGTERM ends the task that calls this, so that nothing is left running.
        """
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        os.sched_setaffinity(0, {self.cores.load})
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # inherited by all that is started

    def room(self, name: str) -> Path:
        return self.folder / f"{name}-{next(self._numbers)}"

    @asynccontextmanager
    async def stub(self, module: str, *arguments: object, core: int | None = None) -> AsyncIterator[tuple[str, Child]]:
        """A module of `bench.stubs`; the URL that it prints."""
        core = self.cores.server if core is None else core
        command = [sys.executable, "-m", f"bench.stubs.{module}", *map(str, arguments)]
        log = self.room(module)
        async with started(command, log, core, cwd=ROOT, pipes=True) as child:
            yield await child.said(), child

    @asynccontextmanager
    async def gateway(
        self, document: Mapping[str, Any], *options: str, core: int | tuple[int, ...] | None = None, tree: bool = False
    ) -> AsyncIterator[Gateway]:
        """Its servers are ready when this yields."""
        where = self.cores.measured if core is None else core
        async with gateway(document, self.room("gateway"), where, *options, tree=tree) as running:
            await running.settled()
            yield running

    @asynccontextmanager
    async def everything_on(
        self, servers: Mapping[str, Any], *, limits: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Gateway]:
        """The gateway with all that it does to a call, traces to a collector included."""
        async with self.stub("collector") as (collector, _):
            document = everything_on(servers, collector, limits or {})
            async with self.gateway(document) as running:
                yield running

    @asynccontextmanager
    async def nginx(self, upstream: str) -> AsyncIterator[Nginx]:
        async with nginx(upstream, self.room("nginx"), self.cores.measured) as running:
            yield running
