"""The system calls that a sandboxed server may not make.

A list of what is denied, not of what is allowed: runtimes such as Node.js and Python use most of the kernel, and each
release uses more. A call that is newer than the list is answered as if the kernel did not have it.
"""

import errno
import platform
from collections.abc import Iterator
from typing import Final

from toolgate.runtime.bpf import (
    ALLOW,
    KILL,
    Block,
    argument,
    assembled,
    bits,
    fail,
    number,
    only_on,
    verdict,
    when,
    when_above,
)
from toolgate.runtime.syscalls import CALLS, HIGHEST

__all__ = ["DENIED", "HIDDEN", "MACHINES", "NAMESPACES", "program", "speaks"]

MACHINES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""AUDIT_ARCH_* by the machine's name. The order is that of `Numbers`."""

_X32: Final = 0x3FFFFFFF
"""Above it are the calls of x32: the same kernel functions under other numbers."""

_ALLOW: Final = verdict(ALLOW)
_DENY: Final = fail(errno.EPERM)
_UNKNOWN: Final = fail(errno.ENOSYS)
_NO_FAMILY: Final = fail(errno.EAFNOSUPPORT)

DENIED: Final = (
    # Reading and steering other processes.
    *("ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd", "userfaultfd"),
    # Building another view of the file system, or going round the one there is.
    *("mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "open_tree_attr", "fsopen", "fsconfig"),
    *("fsmount", "fspick", "mount_setattr", "open_by_handle_at", "fanotify_init"),
    *("setns", "bpf", "perf_event_open", "add_key", "request_key", "keyctl"),
    # The machine itself.
    *("kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "reboot", "swapon", "swapoff"),
    *("acct", "quotactl", "quotactl_fd", "syslog", "settimeofday", "clock_settime", "clock_adjtime", "sethostname"),
    *("setdomainname", "vhangup", "iopl", "ioperm", "modify_ldt", "lookup_dcookie", "nfsservctl", "uselib"),
    # Memory that no limit of a process counts.
    *("memfd_create", "memfd_secret"),
    # System V and POSIX objects: known to all of a machine where there is no namespace, and memory likewise.
    *("shmget", "shmat", "shmctl", "msgget", "msgsnd", "msgrcv", "msgctl", "semget", "semop", "semtimedop", "semctl"),
    *("mq_open", "mq_unlink"),
    # A server may be held to some processors.
    "sched_setaffinity",
)

HIDDEN: Final = (
    # Their arguments lie in memory, where no filter looks. Callers know kernels without them and take the older call.
    *("clone3", "openat2"),
    # Makes any call from the kernel's side of a filter.
    *("io_uring_setup", "io_uring_enter", "io_uring_register"),
)

NAMESPACES: Final = 0x7E020000  # CLONE_NEWNS, -CGROUP, -UTS, -IPC, -USER, -PID, -NET
_NEW_TIME: Final = 0x80  # CLONE_NEWTIME; in clone(2) these bits are the exit signal
_TIOCSTI: Final = 0x5412  # types into the terminal that the gateway was started from
_TIOCLINUX: Final = 0x541C
_QUERY: Final = 0xFFFFFFFF  # personality(2): only asks

_SET_ID: Final = 0o6000
_DEVICE: Final = 0o020000  # the bit of S_IFCHR and S_IFBLK that no file, folder, pipe or socket has
_CREATES: Final = 0o100 | 0o20000000  # O_CREAT | __O_TMPFILE; without them the kernel ignores the mode

_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16
_ROUTE: Final = 0
_DATAGRAM: Final = 2  # of the types that AF_UNIX has, only SOCK_DGRAM (2) and SOCK_RAW (3) have this bit


def speaks() -> bool:
    """Whether the filter knows this machine; where it does not, it kills whatever it is put on."""
    return platform.machine() in MACHINES


def program(*, network: bool, unix: bool = True) -> bytes:
    """A filter for `bwrap --seccomp` and seccomp(2): an array of `struct sock_filter`.

    It holds for x86_64 and aarch64; a call by any other table (i386, x32, arm) kills the process. Without `network`
    there are no internet sockets; without `unix` no sockets that reach another process by path or abstract name,
    while socket pairs, which runtimes speak to their children with, stay.
    """
    rules = {**_rules(), **_sockets(network=network, unix=unix)}
    tables = [_table(index, rules) for index in range(len(MACHINES))]
    known = [only_on(mark, table) for mark, table in zip(MACHINES.values(), tables, strict=True)]
    return assembled([*known, verdict(KILL)])


def _table(index: int, rules: dict[str, Block]) -> Block:
    def lines() -> Iterator[Block]:
        yield number()
        yield when_above(_X32, verdict(KILL))
        yield when_above(HIGHEST, _UNKNOWN)
        for name, rule in rules.items():
            if (call := CALLS[name][index]) is not None:
                yield when(call, rule)
        yield _ALLOW

    return tuple(instruction for line in lines() for instruction in line)


def _rules() -> dict[str, Block]:
    return {
        **dict.fromkeys(DENIED, _DENY),
        **dict.fromkeys(HIDDEN, _UNKNOWN),
        "clone": argument(0) + bits(NAMESPACES, _DENY) + _ALLOW,
        "unshare": argument(0) + bits(NAMESPACES | _NEW_TIME, _DENY) + _ALLOW,
        "personality": argument(0) + when(0, _ALLOW) + when(_QUERY, _ALLOW) + _DENY,
        "ioctl": argument(1) + when(_TIOCSTI, _DENY) + when(_TIOCLINUX, _DENY) + _ALLOW,
        "chmod": _without_set_id(1),
        "fchmod": _without_set_id(1),
        "fchmodat": _without_set_id(2),
        "fchmodat2": _without_set_id(2),
        "creat": _without_set_id(1),
        "open": _opens_without_set_id(1),
        "openat": _opens_without_set_id(2),
        "mknod": argument(1) + bits(_DEVICE | _SET_ID, _DENY) + _ALLOW,
        "mknodat": argument(2) + bits(_DEVICE | _SET_ID, _DENY) + _ALLOW,
    }


def _without_set_id(mode: int) -> Block:
    """A file on a writable mount would run as the gateway's user for whoever finds it outside."""
    return argument(mode) + bits(_SET_ID, _DENY) + _ALLOW


def _opens_without_set_id(flags: int) -> Block:
    return argument(flags) + bits(_CREATES, _without_set_id(flags + 1)) + _ALLOW


def _sockets(*, network: bool, unix: bool) -> dict[str, Block]:
    families = ([_UNIX] if unix else []) + ([_INET, _INET6] if network else [])
    allowed = tuple(instruction for family in families for instruction in when(family, _ALLOW))
    # Asked for the machine's own addresses (`os.networkInterfaces()`), which without an answer is an error in Node.js.
    route = when(_NETLINK, argument(2) + when(_ROUTE, _ALLOW) + _NO_FAMILY)
    # A pair of datagram sockets can be connected anew, to any path.
    pairs = _ALLOW if unix else argument(1) + bits(_DATAGRAM, _NO_FAMILY) + _ALLOW
    return {
        "socket": argument(0) + allowed + route + _NO_FAMILY,
        "socketpair": argument(0) + when(_UNIX, pairs) + _NO_FAMILY,
    }
