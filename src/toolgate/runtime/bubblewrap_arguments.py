"""The command line of bubblewrap for one server: what it sees, what it may use, and what it is started with."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from toolgate.model.profile import Profile
from toolgate.runtime.bubblewrap_hold import WAITER, Informed
from toolgate.runtime.bubblewrap_tools import Tools

__all__ = ["HOME", "HOSTS", "Bound", "Passed", "View", "command_line"]

HOME: Final = "/home/mcp"
HOSTS: Final = b"127.0.0.1 localhost\n::1 localhost\n"

_UID: Final = "1000"
_SYSTEM: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_ETC: Final = (
    "ssl", "pki", "ca-certificates", "alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime",
    "timezone", "mime.types",
)  # fmt: skip
_SHARED: Final = 16 * 2**20  # bytes of /dev/shm
_FILES: Final = 1024  # descriptors of a process
_PASSWD: Final = f"root:x:0:0::/:/bin/false\nmcp:x:{_UID}:{_UID}::{HOME}:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"
_GROUP: Final = f"root:x:0:\nmcp:x:{_UID}:\nnogroup:x:65534:\n"
# A gateway that died in between is no parent any more. SIGTERM is for the server, not for what is around it.
_GUARD: Final = 'trap \'\' TERM; [ "$PPID" = "$1" ] || exit 1; shift; exec "$@"'


class Passed:
    """Descriptors that a child inherits; a context that closes them here."""

    def __init__(self) -> None:
        self.descriptors: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)

    def add(self, descriptor: int) -> int:
        self.descriptors.append(descriptor)
        return descriptor

    def text(self, content: bytes) -> str:
        """The number of a file that is nowhere, at its beginning."""
        file = self.add(os.memfd_create("toolgate", os.MFD_CLOEXEC))
        with os.fdopen(os.dup(file), "wb") as writer:
            writer.write(content)
        os.lseek(file, 0, os.SEEK_SET)
        return str(file)


@dataclass(frozen=True, slots=True)
class Bound:
    source: str
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """All that differs from one server to the next. `hosts` and `resolv` are /etc/hosts and /etc/resolv.conf.
    `memory` is a bound for each process, for where there is none for all of them."""

    argv: Sequence[str] = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    profile: Profile
    bound: Sequence[Bound] = ()
    links: Sequence[tuple[str, str]] = ()
    """What they say and where they are: programs look for what lies beside the place that a link leads to."""
    hidden: Sequence[str] = ()
    home: str | None = None
    cwd: str = HOME
    hosts: bytes = HOSTS
    resolv: bytes = b""
    uid: int | None = None
    memory: int | None = None


def command_line(tools: Tools, view: View, seccomp: bytes, passed: Passed, informed: Informed) -> list[str]:
    """Everything that is said of the server stands in memory of its own, since a command line can be read by all of the
    machine."""
    arguments = [
        *informed.arguments,
        *_walls(tools),
        *_system(),
        *_etc(view, passed),
        *_kernel(),
        *_room(view),
        *_shown(view),
    ]
    arguments += ["--remount-ro", "/", "--clearenv"]
    for name, value in view.environment.items():
        arguments += ["--setenv", name, value]
    arguments += ["--chdir", view.cwd, "--seccomp", passed.text(seccomp)]
    told = passed.text(b"".join(os.fsencode(argument) + b"\0" for argument in arguments))
    start = [tools.bwrap, "--args", told, "--", *WAITER, *_limited(tools, view), *view.argv]
    return [*_dropped(tools, view.uid), "/bin/sh", "-c", _GUARD, "sh", str(os.getpid()), *start]


def _dropped(tools: Tools, uid: int | None) -> list[str]:
    if uid is None:
        return []
    rights = ["--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "--pdeathsig", "KILL"]
    return [tools.setpriv, f"--reuid={uid}", f"--regid={uid}", *rights, "--"]


def _walls(tools: Tools) -> list[str]:
    nested = ["--disable-userns", "--assert-userns-disabled"] if tools.nests else []
    ours = ["--uid", _UID, "--gid", _UID, "--cap-drop", "ALL", "--die-with-parent", "--hostname", "mcp"]
    return ["--unshare-all", "--unshare-user", *nested, *ours]


def _system() -> Iterator[str]:
    yield from ("--ro-bind", "/usr", "/usr")
    for name in _SYSTEM:
        path = Path("/", name)
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), str(path))
        elif path.is_dir():
            yield from ("--ro-bind", str(path), str(path))


def _etc(view: View, passed: Passed) -> Iterator[str]:
    for name in _ETC:
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")
    files = {
        "passwd": _PASSWD.encode(),
        "group": _GROUP.encode(),
        "hosts": view.hosts,
        "resolv.conf": view.resolv,
        "nsswitch.conf": b"passwd: files\ngroup: files\nhosts: files dns\n",
    }
    for name, content in files.items():
        yield from ("--perms", "0444", "--ro-bind-data", passed.text(content), f"/etc/{name}")


def _kernel() -> list[str]:
    shared = ["--perms", "1777", "--size", str(_SHARED), "--tmpfs", "/dev/shm"]  # noqa: S108  # inside
    # The first process is bubblewrap's own, without a server's limits: whoever could write its memory had none.
    first = ["--tmpfs", "/proc/1", "--remount-ro", "/proc/1"]
    return ["--proc", "/proc", *first, "--dev", "/dev", *shared, "--remount-ro", "/dev"]


def _room(view: View) -> list[str]:
    size = str(view.profile.tmp)
    temporary = ["--perms", "1777", "--size", size, "--tmpfs", "/tmp"]  # noqa: S108  # inside
    if view.home is not None:
        return [*temporary, "--bind", view.home, HOME]
    return [*temporary, "--perms", "0700", "--size", size, "--tmpfs", HOME]


def _shown(view: View) -> Iterator[str]:
    """What is in another comes after it, so what is hidden may have something in it that is shown."""
    yield from ("--dir", view.cwd)
    shown = {bound.target: bound for bound in view.bound}
    covered = [path for path in view.hidden if os.path.isdir(path)]
    links = {path: leads for leads, path in view.links}
    for path in sorted({*shown, *links, *view.hidden}, key=lambda path: Path(path).parts):
        if path in links:
            yield from ("--symlink", links[path], path)
        elif (bound := shown.get(path)) is not None:
            yield from ("--bind" if bound.writable else "--ro-bind", bound.source, path)
        elif path in covered:
            yield from ("--perms", "0555", "--size", "4096", "--tmpfs", path)
        else:
            yield from ("--ro-bind", "/dev/null", path)
    for path in covered:
        yield from ("--remount-ro", path)


def _limited(tools: Tools, view: View) -> list[str]:
    """Set inside of the user namespace, where they count no process of anybody else."""
    limits = [f"--nproc={view.profile.processes}", f"--nofile={_FILES}", "--core=0"]
    if view.memory is not None:
        limits.append(f"--data={view.memory}")
    heard = [tools.env, "--default-signal=TERM"] if tools.env is not None else []
    return [tools.prlimit, *limits, "--", *heard]
