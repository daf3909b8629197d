"""What the launcher of a server under Landlock is told."""

import os
import resource
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypedDict

from toolgate.errors import StartFailed
from toolgate.model.profile import Mount, Profile, Wall
from toolgate.runtime.base import Launch
from toolgate.runtime.landlock_abi import attributes, beneath, handled, system, writing
from toolgate.runtime.private_rooms import Room
from toolgate.runtime.seccomp import program as seccomp_program

__all__ = ["Plan", "Site", "planned"]

_FILES: Final = 1024  # descriptors of a process
_OVERRIDE, _READ_SEARCH = 1, 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
_PRIVATE: Final = ("HOME", "TMPDIR", "TMP", "TEMP", "PWD", "OLDPWD")


class Plan(TypedDict):
    """Marshalled, in a file that is nowhere: it holds secrets, which may stand on no command line."""

    argv: list[str]
    environment: dict[str, str]
    cwd: str
    limits: list[tuple[int, int]]
    """RLIMIT_* and the value; never raised."""
    uid: int | None
    """User and group that root becomes."""
    capabilities: list[int]
    """What root keeps of its powers as that user."""
    handled: tuple[int, ...]
    """What Landlock denies unless a rule allows it: file system, network, scopes. Bits that this kernel knows."""
    attributes: int
    """Bytes of `struct landlock_ruleset_attr` that this kernel knows."""
    rules: list[tuple[str, int]]
    """A path, and what is allowed beneath it. `/proc/self` is the server's own."""
    filter: bytes
    """`struct sock_filter[]`."""
    room: str
    """Removed when the server has ended."""
    returned: list[tuple[str, int, int]]
    """Folders whose user and group get in the end what that user made there."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a launch meets this machine. `home` is the room's, or one that survives. `uid` is whom root becomes;
    `bounded` has the walls that a control group holds, `hidden` what no mount shows."""

    abi: int
    program: str
    cwd: str | None
    room: Room
    home: Path
    mounts: Sequence[Mount]
    hidden: frozenset[str]
    uid: int | None
    bounded: frozenset[Wall]


def planned(launch: Launch, site: Site) -> Plan:
    """Looks at files, so it is not for the event loop. Raises `StartFailed`."""
    network = bool(launch.profile.network)
    writable = [mount.path for mount in site.mounts if mount.writable]
    _refuse_open_credentials(launch.profile, writable, site.hidden)
    return Plan(
        argv=[site.program, *launch.args],
        environment=_environment(launch.environment, site),
        cwd=site.cwd or str(site.home),
        limits=list(_limits(launch.profile, site, writes_elsewhere=bool(writable))),
        uid=site.uid,
        capabilities=_kept(launch.profile, site),
        handled=tuple(handled(site.abi, network=network)),
        attributes=attributes(site.abi),
        rules=[
            *system(network=network),
            *_readable(site),
            *((path, writing(site.abi)) for path in (str(site.room.tmp), str(site.home), *writable)),
        ],
        filter=seccomp_program(network=network, unix=any(map(_is_socket, site.mounts))),
        room=str(site.room.path),
        returned=_returned(launch.profile, site, writable),
    )


def _returned(profile: Profile, site: Site, writable: Sequence[str]) -> list[tuple[str, int, int]]:
    lasting = [*writable, *([str(site.home)] if profile.persistent else [])]
    return [(path, status.st_uid, status.st_gid) for path in lasting if (status := os.stat(path))]


def _readable(site: Site) -> Iterator[tuple[str, int]]:
    """The program itself as well: that it stands on a path that every server sees is not sure."""
    for path in (site.program, *(mount.path for mount in site.mounts if not mount.writable)):
        for place in {path, os.path.realpath(path)} - site.hidden:
            yield from beneath(Path(place), site.hidden)


def _environment(given: Mapping[str, str], site: Site) -> dict[str, str]:
    kept = {name: value for name, value in given.items() if name not in _PRIVATE and not name.startswith("XDG_")}
    tmp = str(site.room.tmp)
    return {"PATH": os.defpath, **kept, "HOME": str(site.home), "TMPDIR": tmp, "TMP": tmp, "TEMP": tmp}


def _limits(profile: Profile, site: Site, *, writes_elsewhere: bool) -> Iterator[tuple[int, int]]:
    others = 0 if site.uid is not None else _threads_of(os.getuid())
    yield resource.RLIMIT_NPROC, profile.processes + others
    yield resource.RLIMIT_NOFILE, _FILES
    yield resource.RLIMIT_CORE, 0
    yield resource.RLIMIT_MSGQUEUE, 0
    if Wall.MEMORY not in site.bounded:
        yield resource.RLIMIT_DATA, profile.memory
    if not writes_elsewhere and not profile.persistent:
        yield resource.RLIMIT_FSIZE, profile.tmp


def _threads_of(uid: int) -> int:
    """RLIMIT_NPROC counts them all: without a user of its own a server's bound lies on top of what runs already."""
    count = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if folder.stat().st_uid == uid:
                count += len(os.listdir(folder / "task"))
        except OSError:  # it has ended
            continue
    return count


def _kept(profile: Profile, site: Site) -> list[int]:
    """A user that nobody has owns nothing and can pass no folder such as /root. What root's servers are given they read
    and write by these two powers, which reach no further than Landlock lets them."""
    if site.uid is None:
        return []
    if profile.persistent or any(mount.writable for mount in site.mounts):
        return [_OVERRIDE, _READ_SEARCH]
    given = [mount.path for mount in profile.mounts]
    paths = {path for place in (site.program, *(mount.path for mount in site.mounts)) for path in _spellings(place)}
    return [_READ_SEARCH] if given or not all(map(_open_to_all, paths)) else []


def _spellings(path: str) -> tuple[str, str]:
    return path, os.path.realpath(path)


def _open_to_all(path: str) -> bool:
    try:
        around = all(os.stat(folder).st_mode & stat.S_IXOTH for folder in Path(path).parents)
        return around and bool(os.stat(path).st_mode & stat.S_IROTH)
    except OSError:
        return False


def _is_socket(mount: Mount) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(mount.path).st_mode)
    except OSError:
        return False


def _refuse_open_credentials(profile: Profile, writable: Sequence[str], hidden: frozenset[str]) -> None:
    if Wall.FILESYSTEM in profile.accept:
        return
    for path in sorted(hidden):
        if folder := next((folder for folder in writable if Path(path).is_relative_to(folder)), None):
            raise StartFailed(
                f"it may write in {folder}, where {path} is, and Landlock cannot hide that from it",
                hint=f"mount a folder without {path}, run it with bubblewrap, or accept `filesystem` by name",
            )
