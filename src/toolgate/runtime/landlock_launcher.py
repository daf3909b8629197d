"""What a server under Landlock is started through: run by `python -I -S` as a program of its own, it imports nothing of
this project.

Three processes come of it. The *door* is what the gateway started, signals and waits for. The *keeper* stands beside it
in a session of its own, so that no signal to the door's group reaches it; whatever the server leaves behind becomes its
child, and dies with the server, with the door, or with the gateway. The third becomes the server.
"""

import ctypes
import marshal
import os
import resource
import signal
import sys
from contextlib import suppress

# Written out, since `typing` alone takes longer to import than the rest of this takes to run.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from toolgate.runtime.landlock_plan import Plan

__all__ = ["main"]

_libc = ctypes.CDLL(None, use_errno=True)

_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_SET_SECCOMP, _PR_CAPBSET_DROP = 1, 8, 22, 24
_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 36, 38, 47
_AMBIENT_RAISE, _AMBIENT_CLEAR = 2, 4
_CAPABILITIES_V3 = 0x20080522
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on all architectures
_FILE_ACCESS = 0xC007  # EXECUTE, WRITE_FILE, READ_FILE, TRUNCATE, IOCTL_DEV: what a rule on a file may allow
_SECCOMP_FILTER = 2

_GONE = signal.SIGUSR1  # what the keeper gets when the door is no more
_HEARD = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, _GONE}
_ROUNDS = 64


def main() -> "NoReturn":
    with os.fdopen(int(sys.argv[1]), "rb") as file:
        plan: Plan = marshal.load(file)  # noqa: S302  # of the gateway's own making, by the same interpreter
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)  # should the keeper be killed, the door does its work
    door = os.getpid()
    if keeper := os.fork():
        _attend(keeper)
    os.setsid()
    _bind_to(door, _GONE)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    keeper = os.getpid()
    if server := os.fork():
        _attend(server, plan)
    try:
        _become(plan, keeper)
    except (OSError, ValueError) as error:
        os.write(2, f"the sandbox could not be set up: {error}\n".encode())
    os._exit(126)


def _attend(child: int, plan: "Plan | None" = None) -> "NoReturn":
    """Pass signals on, wait for the child's end, end all that it left, and end as it did."""
    _mute()
    status: int | None = None
    while status is None:
        number = signal.sigwait(_HEARD)
        if number == _GONE:
            break
        if number == signal.SIGCHLD:
            status = _reaped(child)
        else:
            with suppress(ProcessLookupError):
                os.killpg(child, number)
    _end_all()
    if plan is not None:
        _clean(plan)
    code = 1 if status is None else os.waitstatus_to_exitcode(status)
    if code < 0 and -code not in {signal.SIGSTOP, signal.SIGCHLD}:
        with suppress(OSError, ValueError):  # SIGKILL has no disposition
            signal.signal(-code, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [-code])
        os.kill(os.getpid(), -code)
    os._exit(code if code >= 0 else 128 - code)


def _mute() -> None:
    """The server's streams are its own: their ends are seen when it closes them."""
    null = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(null, stream)
    os.close(null)


def _reaped(child: int) -> int | None:
    """Collect everything that has ended; the child's own status if it is among them."""
    found = None
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            if pid == child:
                found = status
    return found


def _end_all() -> None:
    """Stopped first, so that none can fork while the others are killed."""
    stopped: set[int] = set()
    for _ in range(_ROUNDS):
        fresh = _descendants() - stopped
        if not fresh:
            break
        _signal(fresh, signal.SIGSTOP)
        stopped |= fresh
    with suppress(ChildProcessError):
        while True:
            _signal(_descendants(), signal.SIGKILL)
            os.waitpid(-1, 0)


def _signal(pids: set[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _descendants() -> set[int]:
    parents: dict[int, int] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
            state, parent = file.read().rpartition(b")")[2].split()[:2]
            if state != b"Z":
                parents[int(name)] = int(parent)
    found: set[int] = set()
    near = {os.getpid()}
    while near:
        near = {pid for pid, parent in parents.items() if parent in near and pid not in found}
        found |= near
    return found


def _clean(plan: "Plan") -> None:
    """Here, so that it is done as well when the gateway was killed."""
    if (uid := plan["uid"]) is not None:
        for folder, owner, group in plan["returned"]:
            _give_back(folder, uid, owner, group)
    # `rm` follows no link and minds neither depth nor length of what was written there.
    if _ran("/bin/rm", "-rf", "--", plan["room"]):  # there are folders that their owner may not read
        _ran("/bin/chmod", "-R", "u+rwx", "--", plan["room"])
        _ran("/bin/rm", "-rf", "--", plan["room"])


def _ran(*command: str) -> int:
    try:
        return os.waitpid(os.posix_spawn(command[0], command, {}), 0)[1]
    except OSError:
        return 1


def _give_back(folder: str, uid: int, owner: int, group: int) -> None:
    """What the server's own user made where it might write belongs to whom the folder belongs."""
    with suppress(OSError, RecursionError):  # deeper than anything but an attack
        for _, folders, files, at in os.fwalk(folder):
            for name in (*folders, *files):
                if os.stat(name, dir_fd=at, follow_symlinks=False).st_uid == uid:
                    os.chown(name, owner, group, dir_fd=at, follow_symlinks=False)


def _become(plan: "Plan", keeper: int) -> None:
    os.setsid()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
    for which, value in plan["limits"]:
        hard = resource.getrlimit(which)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (bound, bound))
    if plan["uid"] is not None:
        _drop_to(plan["uid"], plan["capabilities"])
    _keep(plan["capabilities"])
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _bind_to(keeper, signal.SIGKILL)  # after the change of user, which loosens it
    os.chdir(plan["cwd"])
    os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    _restrict(plan)
    argv, environment = plan["argv"], plan["environment"]
    _filter(plan["filter"])
    try:
        os.execve(argv[0], argv, environment)  # noqa: S606  # what it was asked to start
    except OSError as error:
        os.write(2, f"{argv[0]} could not be started: {error.strerror}\n".encode())


def _bind_to(parent: int, number: int) -> None:
    _prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # it died in between
        os._exit(1)


def _drop_to(uid: int, kept: list[int]) -> None:
    for capability in range(64):
        if capability not in kept and _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0):
            break  # the kernel knows no more
    _prctl(_PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def _keep(capabilities: list[int]) -> None:
    """No more than these, here and across the start of a program. Somebody else than root may have been given some."""
    mask = sum(1 << capability for capability in capabilities)
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0)
    data = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    _checked(_libc.capset(header, data), "capset")
    _prctl(_PR_CAP_AMBIENT, _AMBIENT_CLEAR)
    for capability in capabilities:
        _prctl(_PR_CAP_AMBIENT, _AMBIENT_RAISE, capability)


def _restrict(plan: "Plan") -> None:
    attributes = (ctypes.c_uint64 * 3)(*plan["handled"])
    ruleset = _call(_CREATE_RULESET, attributes, plan["attributes"], 0)
    for path, access in plan["rules"]:
        try:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:  # not on this machine
            continue
        allowed = access if os.path.isdir(path) else access & _FILE_ACCESS
        rule = allowed.to_bytes(8, sys.byteorder) + fd.to_bytes(4, sys.byteorder)
        _call(_ADD_RULE, ruleset, 1, ctypes.create_string_buffer(rule, len(rule)), 0)
        os.close(fd)
    _call(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def _filter(instructions: bytes) -> None:
    held = ctypes.create_string_buffer(instructions, len(instructions))
    program = _Program(len(instructions) // 8, ctypes.addressof(held))
    _prctl(_PR_SET_SECCOMP, _SECCOMP_FILTER, ctypes.addressof(program))


def _prctl(option: int, *values: int) -> None:
    padded = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    _checked(_libc.prctl(option, *padded), f"prctl({option})")


def _call(number: int, *values: object) -> int:
    passed = [ctypes.c_long(value) if isinstance(value, int) else value for value in values]
    result: int = _checked(_libc.syscall(ctypes.c_long(number), *passed), f"system call {number}")
    return result


def _checked(result: int, name: str) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
    return result


if __name__ == "__main__":
    main()
