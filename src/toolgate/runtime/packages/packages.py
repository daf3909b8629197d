"""A package runner's command line becomes the program that was installed for it."""

import asyncio
import logging
import os
import re
import shutil
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from toolgate.errors import StartFailed
from toolgate.model.profile import ELSEWHERE, Mount
from toolgate.runtime.base import Launch
from toolgate.runtime.packages import locks
from toolgate.runtime.packages.command_line import is_runner, parse
from toolgate.runtime.packages.failures import explained
from toolgate.runtime.packages.manifest import Manifest, digest_of
from toolgate.runtime.packages.npm import Npm
from toolgate.runtime.packages.package import Ecosystem, Package
from toolgate.runtime.packages.python import Pypi
from toolgate.runtime.packages.run import Run
from toolgate.runtime.packages.shelf import Shelf, size_of
from toolgate.runtime.packages.tools import Tools, platform_name

__all__ = ["Packages", "Prepare", "Prepared", "unprepared"]

_SETTING: Final = re.compile(r"(?:PIP|UV|npm_config)_.*", re.IGNORECASE)
_SECONDS: Final = 600.0
_BYTES: Final = 2 * 2**30
_AT_ONCE: Final = 2
_LOOK: Final = 0.5  # seconds between looks at the size of what is being installed
_LOCKED: Final = 0.1  # the same at a lock that another process holds

_log = logging.getLogger(__name__)

Installed = tuple[Path, Manifest]


@dataclass(frozen=True, slots=True)
class Prepared:
    """`remark` is for whoever wonders why it does not start, mostly empty; `says` is a line for the server's log."""

    launch: Launch
    remark: str = ""
    says: str = ""


Prepare = Callable[[str, Launch], Awaitable[Prepared]]
"""`Packages.prepared`: of a server's name and its launch, what is started."""


async def unprepared(name: str, launch: Launch) -> Prepared:
    """A `Prepare` for what starts no packages."""
    return Prepared(launch)


@dataclass(frozen=True, slots=True)
class _Plan:
    """`name` is the server's."""

    name: str
    key: str
    package: Package
    installer: Npm | Pypi


class Packages:
    """Made on the event loop that it lives on. `folder` is made when something is installed; an install takes at most
    `seconds` and `size` bytes of disk, and goes on when the start that asked for it has given up, for the next one."""

    def __init__(
        self,
        folder: Path,
        run: Run,
        environment: Mapping[str, str],
        *,
        seconds: float = _SECONDS,
        size: int = _BYTES,
        tools: Tools | None = None,
    ) -> None:
        self._shelf = Shelf(folder)
        self._run = run
        self._environment = environment
        self._seconds = seconds
        self._size = size
        self._tools = tools or Tools()
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._flights: dict[str, asyncio.Task[Installed]] = {}
        self._cleaning: asyncio.Task[None] | None = None
        self._cleaned = False

    async def prepared(self, name: str, launch: Launch) -> Prepared:
        """What starts the same server without a package runner; the launch as it is where there is none, or where it
        is not surely understood. `name` is the server's. Raises `StartFailed`."""
        plan = await self._plan(name, launch)
        if plan is None:
            unusual = "is started as it is, not installed"
            return Prepared(
                launch, says=f"{launch.command} {unusual}" if is_runner(launch.command, launch.args) else ""
            )
        self._clean_once()
        found = await asyncio.to_thread(self._shelf.find, plan.key)
        folder, installed = found or await self._joined(plan, fresh=False)
        remark = "; ".join(installed.remarks)
        says = f"runs {installed.name} {installed.version}, installed in {folder}{'; ' if remark else ''}{remark}"
        return Prepared(_launch(launch, plan.package, folder, installed), remark, says)

    async def update(self, name: str, launch: Launch) -> str:
        """Install anew what a floating version means today, for the next start; the answer is `name version`, empty
        where the launch is no package. What runs goes on as it is. Raises `StartFailed`."""
        plan = await self._plan(name, launch)
        if plan is None:
            return ""
        _, installed = await self._joined(plan, fresh=True)
        return f"{installed.name} {installed.version}"

    async def close(self) -> None:
        """Give up what is being installed, and let go of what runs."""
        tasks = [*self._flights.values(), *([self._cleaning] if self._cleaning is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._shelf.close()

    async def _plan(self, name: str, launch: Launch) -> _Plan | None:
        here = locks.available() and launch.profile.runtime not in ELSEWHERE
        package = parse(launch.command, launch.args) if here else None
        if package is None:
            return None
        if package.ecosystem is Ecosystem.NPM and await asyncio.to_thread(_is_local, package, launch.cwd):
            return None
        path = launch.environment.get("PATH", os.defpath)
        own = _settings(launch)
        found = await self._installer(package, launch.command, path, own)
        if found is None:
            return None
        installer, interpreter = found
        key = digest_of(
            package.ecosystem, package.spec, package.extra, package.binary, interpreter, installer.runtime,
            platform_name(), sorted(own.items()),
        )  # fmt: skip
        return _Plan(name, key, package, installer)

    async def _installer(
        self, package: Package, runner: str, path: str, own: Mapping[str, str]
    ) -> tuple[Npm | Pypi, str] | None:
        """What installs it, and the interpreter that it is for; None where this machine has not what that takes."""
        if package.ecosystem is Ecosystem.NPM:
            node = await self._tools.node(runner, path)
            return (Npm(self._run, self._tools, node, self._environment, own), node.node) if node else None
        python = await self._tools.python(runner, path, package.python)
        return (Pypi(self._run, python, self._environment, own), python.python) if python else None

    async def _joined(self, plan: _Plan, *, fresh: bool) -> Installed:
        """One install of a key at a time, however many wait for it and give up."""
        task = self._flights.get(plan.key)
        if task is None:
            task = asyncio.create_task(self._install(plan, fresh=fresh), name=f"install {plan.package.spec}")
            self._flights[plan.key] = task
            task.add_done_callback(partial(self._landed, plan.key))
        return await asyncio.shield(task)

    def _landed(self, key: str, task: asyncio.Task[Installed]) -> None:
        self._flights.pop(key, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.debug("an install failed: %s", error)  # whoever waits for it says so

    async def _install(self, plan: _Plan, *, fresh: bool) -> Installed:
        try:
            async with self._places, asyncio.timeout(self._seconds):
                return await self._alone(plan, fresh=fresh)
        except TimeoutError:
            raise StartFailed(
                f"{plan.package.spec} was not installed within {self._seconds:g} s",
                hint="look at the network; the next start tries again",
            ) from None
        except OSError as error:
            hosts, runtime = plan.installer.hosts, plan.installer.runtime
            raise explained(plan.package, f"{error.strerror} {error.filename}", hosts=hosts, runtime=runtime) from error

    async def _alone(self, plan: _Plan, *, fresh: bool) -> Installed:
        while (held := await asyncio.to_thread(self._shelf.lock, plan.key)) is None:  # noqa: ASYNC110  # held elsewhere
            await asyncio.sleep(_LOCKED)
        try:
            if not fresh and (found := await asyncio.to_thread(self._shelf.find, plan.key)) is not None:
                return found
            _log.info("%s: installing %s", plan.name, plan.package.spec)
            await self._into_shelf(plan)
            found = await asyncio.to_thread(self._shelf.find, plan.key)
        finally:
            self._shelf.unlock(plan.key, held)
        if found is None:
            raise StartFailed(f"{plan.package.spec} was removed while it was installed", hint="try again")
        for remark in found[1].remarks:
            _log.warning("%s: %s", plan.name, remark)
        self._cleaned = False
        return found

    async def _into_shelf(self, plan: _Plan) -> None:
        plan.installer.known = await asyncio.to_thread(self._shelf.names)
        folder = await asyncio.to_thread(self._shelf.begin, plan.key)
        try:
            work = folder / ".work"
            work.mkdir()
            installed = await self._bounded(plan.package, folder, plan.installer.install(plan.package, folder, work))
            await asyncio.to_thread(shutil.rmtree, work)
            await asyncio.to_thread(self._shelf.finish, plan.key, folder, installed)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)  # only what failed is still there

    async def _bounded(self, package: Package, folder: Path, install: Coroutine[Any, Any, Manifest]) -> Manifest:
        task = asyncio.create_task(install)
        try:
            while not (await asyncio.wait({task}, timeout=_LOOK))[0]:
                self._check_size(package, await asyncio.to_thread(size_of, folder))
            self._check_size(package, await asyncio.to_thread(size_of, folder))
            return task.result()
        finally:
            task.cancel()
            await asyncio.wait({task})

    def _check_size(self, package: Package, size: int) -> None:
        if size > self._size:
            raise StartFailed(
                f"{package.spec} takes more than {self._size // 2**20} MiB of disk; it was not installed",
                hint="install it yourself, and name its command",
            )

    def _clean_once(self) -> None:
        """What killed installs left, at the first start; and what is too much, at the first start after an install."""
        if not self._cleaned:
            self._cleaned = True
            if self._cleaning is None or self._cleaning.done():
                self._cleaning = asyncio.create_task(self._clean(), name="clean the installed packages")

    async def _clean(self) -> None:
        try:
            await asyncio.to_thread(self._shelf.clean)
        except OSError as error:  # nobody waits for it
            _log.warning("the folder of installed packages could not be cleaned: %s", error)


def _launch(launch: Launch, package: Package, folder: Path, installed: Manifest) -> Launch:
    program = installed.program
    command, *arguments = (
        str(folder / word.removeprefix("./")) if word.startswith("./") else word
        for word in (program.command, *program.arguments)
    )
    path = os.pathsep.join((str(folder / program.path), launch.environment.get("PATH", os.defpath)))
    environment = {"PYTHONDONTWRITEBYTECODE": "1", **launch.environment, "PATH": path}
    profile = replace(launch.profile, mounts=(*launch.profile.mounts, Mount(str(folder))))
    return replace(
        launch, command=command, args=(*arguments, *package.arguments), environment=environment, profile=profile
    )


def _settings(launch: Launch) -> dict[str, str]:
    """Of package tools, in the definition. Where registries are is the operator's word: they may be in this network,
    where what somebody else has installed must not send us."""
    if launch.owner:
        return {}
    return {name: value for name, value in launch.environment.items() if _SETTING.fullmatch(name)}


def _is_local(package: Package, cwd: str | None) -> bool:
    """npx takes what a project has already, where no version is asked for."""
    if package.spec != package.name:
        return False
    start = Path(os.path.expanduser(cwd or ".")).absolute()
    return any((place / "node_modules" / package.name / "package.json").exists() for place in (start, *start.parents))
