"""Which of the runtimes of this machine a server is started in, and whether it is enough."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol, TypeVar

from toolgate.errors import StartFailed
from toolgate.model.profile import Profile, Wall
from toolgate.runtime.base import Launch, Output, Redact, Running
from toolgate.runtime.canaries import works
from toolgate.runtime.container import Containers
from toolgate.runtime.container_options import names_image
from toolgate.runtime.protections import Finding, Grade, Protections, Sandbox

__all__ = ["Choice", "Swept"]

_AUTO: Final = "auto"
_WITHOUT_WALLS: Final = "process"
_T = TypeVar("_T")

_log = logging.getLogger(__name__)


class Swept(Protocol):
    """A runtime whose servers may outlive the gateway."""

    name: str

    async def sweep(self) -> int:
        """End what an earlier life left; how many there were. Raises `StartFailed`."""
        ...


class Choice:
    """A `runtime.base.Runtime` over the others, the best first. What it finds out about them it finds out once, and not
    before the first server is started."""

    def __init__(
        self,
        sandboxes: Sequence[Sandbox],
        containers: Sequence[Containers] = (),
        named: Sequence[Sandbox] = (),
        swept: Sequence[Swept] = (),
    ) -> None:
        """`containers` are for images, and for what names them; `named` run elsewhere, for what asks for them by name.
        What those can do is found out each time, since it changes without this machine. What `swept` left elsewhere is
        ended by `sweep`."""
        every = (*sandboxes, *containers, *named)
        self._sandboxes: Mapping[str, Sandbox] = {sandbox.name: sandbox for sandbox in every}
        self._elsewhere = frozenset(sandbox.name for sandbox in named)
        self._own = tuple(sandbox.name for sandbox in sandboxes)
        self._of_images = tuple(engine.name for engine in containers)
        self._works: dict[str, asyncio.Task[str]] = {}
        self._probed: dict[str, asyncio.Task[Protections]] = {}
        self._warned: set[str] = set()
        self._swept = tuple(swept)
        self._sweeping: list[asyncio.Task[None]] = []

    async def __call__(self, name: str, launch: Launch, output: Output, *, limit: int, redact: Redact) -> Running:
        sandbox = await self._chosen(launch)
        if launch.profile.needs:
            _refuse_what_lacks(sandbox.name, launch.profile, await self.protections(sandbox.name))
        if sandbox.name == _WITHOUT_WALLS:
            await self._warn(name, launch.profile)
        return await sandbox(name, launch, output, limit=limit, redact=redact)

    async def close(self) -> None:
        """Ends what is still being found out, and waits until nothing is left of servers that ended."""
        tasks = (*self._works.values(), *self._probed.values(), *self._sweeping)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for sandbox in self._sandboxes.values():
            await sandbox.close()

    def sweep(self) -> None:
        """Begin to end what earlier lives of this gateway left elsewhere."""
        for each in self._swept:
            self._sweeping.append(asyncio.create_task(_sweep(each), name=f"sweep {each.name}"))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._sandboxes)

    async def works(self, name: str) -> str:
        """Why nothing can be started in it here; empty where it can."""
        return await _once(self._works, name, lambda: works(self._sandboxes[name]))

    async def protections(self, name: str) -> Protections:
        if name in self._elsewhere:
            return await self._sandboxes[name].probe()
        return await _once(self._probed, name, self._sandboxes[name].probe)

    async def _chosen(self, launch: Launch) -> Sandbox:
        wanted = launch.profile.runtime
        if wanted == _AUTO:
            return await self._first(self._of_images if names_image(launch) else self._own, launch)
        if wanted not in self._sandboxes:
            known = ", ".join(self._sandboxes)
            raise StartFailed(f"there is no runtime {wanted} here", hint=f"write one of: {_AUTO}, {known}")
        if wanted not in self._elsewhere and (reason := await self.works(wanted)):
            raise StartFailed(f"its runtime {wanted} does not work here: {reason}", hint="or write `runtime: auto`")
        return self._sandboxes[wanted]

    async def _first(self, names: Sequence[str], launch: Launch) -> Sandbox:
        reasons = []
        for name in names:
            reason = await self.works(name)
            if not reason:
                return self._sandboxes[name]
            reasons.append(f"{name}: {reason}")
        what = "runs images" if names_image(launch) else "servers run in"
        raise StartFailed(f"nothing that {what} works here ({'; '.join(reasons)})", hint="toolgate doctor says more")

    async def _warn(self, name: str, profile: Profile) -> None:
        """Once for each server."""
        if name in self._warned:
            return
        self._warned.add(name)
        reasons = [f"{other}: {reason}" for other in self._better() if (reason := await self.works(other))]
        why = "as its `runtime` asks" if profile.runtime != _AUTO else "; ".join(reasons)
        missing = ", ".join(sorted(set(Wall) - profile.accept))
        _log.warning("server %r runs without walls (%s); missing: %s", name, why, missing)

    def _better(self) -> list[str]:
        return [name for name in self._own if name != _WITHOUT_WALLS]


async def _sweep(swept: Swept) -> None:
    try:
        if count := await swept.sweep():
            _log.info("%s: ended %d sandboxes that were left", swept.name, count)
    except StartFailed as error:
        _log.warning("%s: what was left could not be ended: %s", swept.name, error.message)


async def _once(kept: dict[str, asyncio.Task[_T]], name: str, find: Callable[[], Awaitable[_T]]) -> _T:
    """The answer of the first who asked. Whoever is cancelled while waiting ends nothing for the others."""

    async def ask() -> _T:
        return await find()

    if name not in kept:
        kept[name] = asyncio.get_running_loop().create_task(ask(), name=f"look at {name}")
    return await asyncio.shield(kept[name])


def _refuse_what_lacks(runtime: str, profile: Profile, found: Protections) -> None:
    lacking = sorted(wall for wall in profile.needs if found[wall].grade is not Grade.ENFORCED)
    if lacking:
        listed = "; ".join(_told(wall, found[wall]) for wall in lacking)
        raise StartFailed(
            f"{runtime} cannot enforce what it needs: {listed}",
            hint=f"to start it all the same, write `accept: [{', '.join(lacking)}]` under its `sandbox`",
        )


def _told(wall: Wall, finding: Finding) -> str:
    return f"{wall} is {finding.grade}" + (f" ({finding.reason})" if finding.reason else "")
