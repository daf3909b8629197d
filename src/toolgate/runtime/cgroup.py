"""Control groups: what bounds a server and all that it starts together. Version 1 and 2, where they are writable."""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from toolgate.model.profile import Profile, Wall

__all__ = ["Cgroups", "Group"]

_PREFIX: Final = "toolgate-"
_PERIOD: Final = 100_000  # microseconds
_OWN: Final = 8  # processes of the sandbox itself, on top of the server's
_CONTROLLERS: Final = {"memory": Wall.MEMORY, "pids": Wall.PROCESSES, "cpu": Wall.CPU}
_GONE: Final = 0.5  # seconds until what was killed has surely left its group
_numbers = count(1)
_left: set[Path] = set()
"""Groups that still had processes when they were to go: a kernel under load takes its time."""


@dataclass(frozen=True, slots=True)
class Group:
    """One server's. `join` is for the child itself, between fork and exec."""

    folders: tuple[Path, ...]

    def join(self) -> None:
        for folder in self.folders:
            file = os.open(folder / "cgroup.procs", os.O_WRONLY)
            os.write(file, b"0")  # whoever writes it
            os.close(file)

    def remove(self) -> None:
        """Blocks until those that were killed are gone, half a second at most; what is left then is removed later."""
        until = time.monotonic() + _GONE
        for folder in self.folders:
            while not _removed(folder):
                if time.monotonic() > until:
                    _left.add(folder)
                    break
                time.sleep(0.01)


@dataclass(frozen=True, slots=True)
class Cgroups:
    """Where groups can be made: a folder for each controller (version 1), or the same one for all (version 2)."""

    folders: Mapping[str, Path]
    unified: bool

    @classmethod
    def found(cls) -> "Cgroups":
        """Without folders where none is writable: then nothing is bounded by groups."""
        own, mounts = _own(), _mounts()
        if folders := {name: place for name in _CONTROLLERS if (place := _place(own.get(name), mounts.get(name)))}:
            return cls(folders, unified=False)
        place = _place(own.get(""), mounts.get(""))
        names = _delegated(place) if place is not None else ()
        return cls({name: place for name in names if place is not None}, unified=True)

    @property
    def walls(self) -> frozenset[Wall]:
        return frozenset(_CONTROLLERS[name] for name in self.folders)

    def make(self, profile: Profile) -> Group:
        """Raises `OSError`."""
        _left.difference_update([folder for folder in tuple(_left) if _removed(folder)])
        name = f"{_PREFIX}{os.getpid()}-{next(_numbers)}"
        made = Group(tuple({folder / name: None for folder in self.folders.values()}))
        try:
            for folder in made.folders:
                folder.mkdir()
            for controller, folder in self.folders.items():
                for file, value in self._limits(controller, profile):
                    _write(folder / name / file, value)
        except OSError:
            made.remove()
            raise
        return made

    def _limits(self, controller: str, profile: Profile) -> tuple[tuple[str, int | str], ...]:
        quota = max(1_000, int(profile.cpus * _PERIOD))
        limits: dict[tuple[str, bool], tuple[tuple[str, int | str], ...]] = {
            ("pids", False): (("pids.max", profile.processes + _OWN),),
            ("pids", True): (("pids.max", profile.processes + _OWN),),
            ("memory", False): (
                ("memory.limit_in_bytes", profile.memory),
                ("?memory.memsw.limit_in_bytes", profile.memory),
            ),
            ("memory", True): (("memory.max", profile.memory), ("?memory.swap.max", 0), ("?memory.oom.group", 1)),
            ("cpu", False): (("cpu.cfs_period_us", _PERIOD), ("cpu.cfs_quota_us", quota)),
            ("cpu", True): (("cpu.max", f"{quota} {_PERIOD}"),),
        }
        return limits[controller, self.unified]

    def sweep(self) -> None:
        """Remove the groups of gateways that were killed. Their processes died with them."""
        for parent in set(self.folders.values()):
            for folder in parent.glob(f"{_PREFIX}*-*"):
                if not Path("/proc", folder.name.split("-")[1]).exists():
                    _removed(folder)


def _own() -> dict[str, str]:
    """The path of this process by controller; version 2 is the one without a name."""
    lines = Path("/proc/self/cgroup").read_text().splitlines() if os.path.exists("/proc/self/cgroup") else []
    return {name: path for _, names, path in (line.split(":", 2) for line in lines) for name in names.split(",")}


def _mounts() -> dict[str, Path]:
    found: dict[str, Path] = {}
    lines = Path("/proc/self/mounts").read_text().splitlines() if os.path.exists("/proc/self/mounts") else []
    for _, place, kind, options, *_ in (line.split(" ") for line in lines):
        if kind == "cgroup2":
            found[""] = Path(place)
        elif kind == "cgroup":
            found.update((option, Path(place)) for option in options.split(","))
    return found


def _place(own: str | None, mount: Path | None) -> Path | None:
    if own is None or mount is None:
        return None
    # In a container the path may be the host's, and the mount only what is below it.
    place = next((path for path in (mount / own.lstrip("/"), mount) if path.is_dir()), mount)
    return place if os.access(place, os.W_OK) and os.access(place / "cgroup.procs", os.W_OK) else None


def _delegated(place: Path) -> tuple[str, ...]:
    """The controllers that groups below can have. Refused by the kernel where the group holds processes itself."""
    with suppress(OSError):
        _write(place / "cgroup.subtree_control", " ".join(f"+{name}" for name in _CONTROLLERS))
    try:
        return tuple(set((place / "cgroup.subtree_control").read_text().split()) & _CONTROLLERS.keys())
    except OSError:
        return ()


def _write(file: Path, value: int | str) -> None:
    """A name that begins with `?` may be missing."""
    optional, file = file.name.startswith("?"), file.with_name(file.name.lstrip("?"))
    try:
        file.write_text(str(value))
    except OSError:
        if not optional:
            raise


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
