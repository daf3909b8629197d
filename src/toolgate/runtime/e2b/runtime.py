"""Servers in sandboxes of E2B: a small machine of its own for each, elsewhere."""

import asyncio
import importlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Final

from toolgate.errors import StartFailed
from toolgate.runtime.base import Launch, Output, Redact, Running
from toolgate.runtime.canaries import nothing
from toolgate.runtime.e2b.access import KEY, Access
from toolgate.runtime.e2b.box import Box
from toolgate.runtime.e2b.failures import NO_KEY, failed, missing
from toolgate.runtime.e2b.holders import Holders
from toolgate.runtime.e2b.hosted import Hosted
from toolgate.runtime.e2b.inside import check, environment, home, look, template
from toolgate.runtime.e2b.lease import Term
from toolgate.runtime.e2b.network import outward
from toolgate.runtime.e2b.walls import examine
from toolgate.runtime.packages import locks
from toolgate.runtime.protections import Grade, Protections

if TYPE_CHECKING:
    from e2b import AsyncSandbox

    from toolgate.runtime.e2b.cloud import Cloud

__all__ = ["GATEWAY", "HOLDER", "OWNER", "SERVER", "E2b"]

GATEWAY: Final = "toolgate.gateway"
SERVER: Final = "toolgate.server"
OWNER: Final = "toolgate.owner"
HOLDER: Final = "toolgate.holder"
KEEPS: Final = "toolgate.keeps"
_LEFT: Final = 15.0  # seconds that sandboxes which are being ended have when the gateway stops
_TRIES: Final = 3
_PAUSE: Final = 0.5
_TERM: Final = Term()


@dataclass(frozen=True, slots=True)
class _Hold:
    """Whose a sandbox is: of this start, or of all starts of a server that keeps its home."""

    holder: str
    file: int | None


class E2b:
    """A `runtime.protections.Sandbox`. `folder` is where it keeps what it is called there; without `access` the key is
    that of the environment when a server is started."""

    name = "e2b"

    def __init__(self, folder: Path, access: Access | None = None, term: Term = _TERM) -> None:
        self._access = access
        self._term = term
        self._holders = Holders(folder)
        self._known: tuple[Access, Cloud] | None = None
        self._found: Protections | None = None
        self._leaving: dict[str, asyncio.Task[None]] = {}
        self._is_closed = False

    async def __call__(self, name: str, launch: Launch, output: Output, *, limit: int, redact: Redact) -> Running:
        check(launch)
        cloud = await self._cloud()
        hold = await self._hold(name, launch)
        try:
            sandbox = await self._sandbox(cloud, name, launch, hold)
        except BaseException as error:
            await asyncio.to_thread(self._let_go, hold)
            if isinstance(error, Exception):
                raise failed(error, template(launch)) from None
            raise
        release = partial(self._release, cloud, sandbox.sandbox_id, hold, keeps=launch.profile.persistent)
        hosted = Hosted(name, output, limit, redact, sandbox, release, self._term)
        variables = environment(launch.environment)
        try:
            await look(sandbox, launch, variables)
            await hosted.begin(shlex.join((launch.command, *launch.args)), variables, launch.cwd)
        except BaseException as error:
            release()
            if isinstance(error, Exception):
                raise failed(error) from None
            raise
        return hosted

    async def probe(self) -> Protections:
        """As `Sandbox.probe`; what could not be found out is looked for again."""
        if self._found is not None:
            return self._found
        try:
            await self._cloud()
        except StartFailed as error:
            return nothing(f"{error.message}: {error.hint}")
        found = await examine(self, self._key().api_url)
        if any(finding.grade is not Grade.ABSENT for finding in found.values()):
            self._found = found
        return found

    async def sweep(self) -> int:
        """End what an earlier life of this gateway left there, and pause what keeps its home. The answer is how many
        there were. Raises `StartFailed`."""
        gateway = await asyncio.to_thread(self._holders.known)
        if not gateway or not self._key().key:
            return 0
        cloud = await self._cloud()
        count = 0
        try:
            for info in await cloud.listed({GATEWAY: gateway}):
                keeps = KEEPS in info.metadata
                if keeps and info.state.value == "paused":
                    continue
                holder = info.metadata.get(HOLDER, "")
                file = await asyncio.to_thread(self._holders.take, holder)
                if file is None:
                    continue
                try:
                    await (cloud.pause if keeps else cloud.kill)(info.sandbox_id)
                finally:
                    await asyncio.to_thread(self._holders.let_go, holder, file)
                count += 1
        except Exception as error:  # the SDK raises what four libraries raise
            raise failed(error) from None
        return count

    async def close(self) -> None:
        self._is_closed = True
        if tasks := [*self._leaving.values()]:
            _, late = await asyncio.wait(tasks, timeout=_LEFT)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._known is not None:
            await self._known[1].close()

    def _key(self) -> Access:
        return self._access or Access.from_environment()

    async def _cloud(self) -> "Cloud":
        if self._is_closed:
            raise StartFailed("the gateway is stopping")
        access = self._key()
        if not access.key:
            raise StartFailed(NO_KEY, hint=f"set {KEY} where the gateway is started: a key of your team at E2B")
        if self._known is None or self._known[0] != access:
            try:
                module = await asyncio.to_thread(importlib.import_module, "toolgate.runtime.e2b.cloud")
            except ImportError as error:
                raise missing(error) from None
            self._known = access, module.Cloud(access)
        return self._known[1]

    # Whose a sandbox is

    async def _hold(self, name: str, launch: Launch) -> _Hold:
        holder = home(name, launch) if launch.profile.persistent else token_hex(16)
        if (leaving := self._leaving.get(holder)) is not None:
            await asyncio.wait([leaving], timeout=_LEFT)
        file = await asyncio.to_thread(self._holders.take, holder)
        if file is None and locks.available():
            raise StartFailed("its persistent sandbox is in use", hint="it runs already; stop it there first")
        return _Hold(holder, file)

    def _let_go(self, hold: _Hold) -> None:
        if hold.file is not None:
            self._holders.let_go(hold.holder, hold.file)

    async def _sandbox(self, cloud: "Cloud", name: str, launch: Launch, hold: _Hold) -> "AsyncSandbox":
        gateway = await asyncio.to_thread(self._holders.gateway)
        keeps = launch.profile.persistent
        tags = {GATEWAY: gateway, HOLDER: hold.holder}
        if keeps:
            for info in await cloud.listed(tags):
                return await cloud.resume(info, outward(launch.profile.network), self._term.length)
        tags |= {SERVER: name, OWNER: launch.owner, **({KEEPS: "yes"} if keeps else {})}
        return await cloud.create(self._box(launch, tags))

    def _box(self, launch: Launch, tags: Mapping[str, str]) -> Box:
        return Box(
            template=template(launch),
            tags=tags,
            outward=outward(launch.profile.network),
            keeps=launch.profile.persistent,
            seconds=self._term.length,
        )

    def _release(self, cloud: "Cloud", sandbox_id: str, hold: _Hold, *, keeps: bool) -> asyncio.Task[None]:
        task = asyncio.create_task(self._give_back(cloud, sandbox_id, hold, keeps=keeps), name=f"end {sandbox_id}")
        self._leaving[hold.holder] = task
        task.add_done_callback(lambda _: self._leaving.pop(hold.holder, None))
        return task

    async def _give_back(self, cloud: "Cloud", sandbox_id: str, hold: _Hold, *, keeps: bool) -> None:
        """Its time ends by itself where the service does not answer."""
        end = cloud.pause if keeps else cloud.kill
        try:
            for _ in range(_TRIES):
                try:
                    await end(sandbox_id)
                except Exception:  # the SDK raises what four libraries raise; it is tried again
                    await asyncio.sleep(_PAUSE)
                else:
                    return
        finally:
            await asyncio.shield(asyncio.to_thread(self._let_go, hold))
