"""What one server is given behind bubblewrap's walls, decided before it is started. Blocks: not for the event loop."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from urllib.parse import quote

from toolgate.errors import StartFailed
from toolgate.model.profile import Mount, Wall
from toolgate.runtime.affinity import few_processors
from toolgate.runtime.base import Launch
from toolgate.runtime.bubblewrap_arguments import HOME, Bound, View
from toolgate.runtime.cgroup import Cgroups, Group
from toolgate.runtime.staging import Identities, Staged, place, stage
from toolgate.runtime.uids import free_uid
from toolgate.runtime.visible import SYSTEM, hidden, looks_around, visible

__all__ = ["Plan", "Planner", "persistent_home"]

_PERSONAL: Final = ("XDG_", "SHELL", "USER", "LOGNAME")


@dataclass(slots=True)
class Plan:
    """A context: what it holds besides the group is needed until the child runs."""

    view: View
    group: Group
    steps: list[Callable[[], None]] = field(default_factory=list)
    held: ExitStack = field(default_factory=ExitStack)

    def enter(self) -> None:
        """For the child, between fork and exec."""
        for step in self.steps:
            step()


@dataclass(frozen=True, slots=True)
class Planner:
    """`root` is whether the gateway runs as root."""

    state: Path
    cgroups: Cgroups
    root: bool
    identities: Identities

    def __call__(self, name: str, launch: Launch, program: str, cwd: str | None) -> Plan:
        """Raises `StartFailed`."""
        profile = launch.profile
        for mount in profile.mounts:
            if not os.path.exists(mount.path):
                raise StartFailed(
                    f"{mount.path}, which it is given, does not exist", hint="create it or correct mounts"
                )
        mounts = visible(launch, program, str(self.state))
        links = _links(mounts)
        bounded = self.cgroups.walls
        view = View(
            (program, *launch.args),
            _environment(launch),
            profile,
            bound=[Bound(mount.path, mount.path, mount.writable) for mount in mounts if mount.path not in links],
            links=[(leads, path) for path, leads in links.items()],
            hidden=hidden(mounts, str(self.state)),
            home=persistent_home(self.state, name, launch.owner) if profile.persistent else None,
            cwd=_cwd(launch, cwd, mounts),
            memory=None if Wall.MEMORY in bounded else profile.memory,
        )
        plan = Plan(view, self._group(launch))
        plan.steps.append(plan.group.join)
        if Wall.CPU not in bounded and (step := few_processors(profile.cpus)) is not None:
            plan.steps.append(step)
        if self.root:
            self._stage(plan, launch)
        return plan

    def _group(self, launch: Launch) -> Group:
        try:
            return self.cgroups.make(launch.profile)
        except OSError as error:
            raise StartFailed(f"its control group could not be made: {error.strerror}") from None

    def _stage(self, plan: Plan, launch: Launch) -> None:
        """Everything is mounted where the server's uid can reach it."""
        view, uid = plan.view, free_uid(launch.owner)
        sources = [bound.source for bound in view.bound] + ([view.home] if view.home else [])
        staged = []
        for source in sources:
            identity = self.identities.of(source, uid)
            if identity >= 0:
                plan.held.callback(os.close, identity)
            staged.append(Staged(source, identity))
        at = [f"{place()}/{number}" for number in range(len(sources))]
        bound = [replace(bound, source=new) for bound, new in zip(view.bound, at, strict=False)]
        plan.view = replace(view, bound=bound, home=at[-1] if view.home else None, uid=uid)
        plan.steps.append(stage(staged))


def persistent_home(state: Path, name: str, owner: str) -> str:
    """The folder of this server of this owner, made where it is missing. Raises `StartFailed`."""
    home = state / "homes" / (quote(owner, safe="") or "_") / name
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartFailed(f"its persistent home {home} cannot be made: {error.strerror}") from None
    return str(home)


def _links(mounts: tuple[Mount, ...]) -> dict[str, str]:
    """Of what is shown, the links to what is shown as well: where they are, and what they say."""
    links = [mount.path for mount in mounts if os.path.islink(mount.path)]
    shown = (*SYSTEM, *(mount.path for mount in mounts if mount.path not in links))
    return {
        path: os.readlink(path)
        for path in links
        if any(Path(os.path.realpath(path)).is_relative_to(one) for one in shown)
    }


def _environment(launch: Launch) -> dict[str, str]:
    """What the gateway passed on of its own user's session means nothing inside."""
    own = {
        name: value
        for name, value in launch.environment.items()
        if not (name.startswith(_PERSONAL) and os.environ.get(name) == value)
    }
    given = own.get("HOME", "")
    writable = any(mount.writable and Path(given).is_relative_to(mount.path) for mount in launch.profile.mounts)
    return {"USER": "mcp", "LOGNAME": "mcp", **own, "HOME": given if writable else HOME, "TMPDIR": "/tmp"}  # noqa: S108


def _cwd(launch: Launch, cwd: str | None, mounts: tuple[Mount, ...]) -> str:
    """Where relative paths mean what they mean outside; the home, which can be written to, where there are none."""
    folder = Path(os.path.abspath(cwd or os.curdir))
    kin = any(folder.is_relative_to(mount.path) or Path(mount.path).is_relative_to(folder) for mount in mounts)
    if not folder.is_dir() or any(folder.is_relative_to(kernel) for kernel in ("/proc", "/sys", "/dev")):
        return HOME
    return str(folder) if cwd or kin or looks_around(launch.command) else HOME
