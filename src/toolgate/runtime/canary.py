"""Run in a sandbox as `python -I -S -c SOURCE FOLDER PORT NAME [out]`: tries what should not work, and says what did.

Each thing that it tries is harmless where nothing stops it. The answer is a line of JSON; then it waits for its input
to end, with one child that has left its session. FOLDER goes without its first slash, so that it is not shown for being
named; `out` tries the network alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import mmap
import os
import signal
import socket
import sys
import tempfile
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes longer to load than all else here
    from collections.abc import Callable
    from typing import Any

# Over what `canaries` gives: 24 processes, 64 MiB, 2 MiB of temporary space, one processor.
MANY = 48
ALONE, HALF = 80 * 2**20, 48 * 2**20
FULL = 6 * 2**20
SPIN = 0.16  # seconds

libc = ctypes.CDLL(None, use_errno=True)


def attempt(tried: Callable[[], object]) -> bool:
    """Whether it worked."""
    with contextlib.suppress(Exception):
        return bool(tried())
    return False


def reads(folder: str) -> str:
    with open(os.path.join(folder, "canary")) as file:
        return file.read()


def writes(folder: str) -> int:
    with open(os.path.join(folder, "written"), "w") as file:
        return file.write("x")


def connects(family: int, address: Any) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as made:
        made.settimeout(1)
        made.connect(address)
        return True


def sends(port: int) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        return made.sendto(b"x", ("127.0.0.1", port))


def multiplies() -> bool:
    born = []
    try:
        for _ in range(MANY):
            child = os.fork()
            if not child:
                signal.pause()
                os._exit(0)
            born.append(child)
    finally:
        for child in born:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return True


def grows(*sizes: int, share: bool) -> bool:
    """Whether children can fill that many bytes at the same time; whatever ends them ends nothing else."""
    born, filled = [], 0
    for size in sizes:
        came, says = os.pipe()
        child = os.fork()
        if not child:
            with contextlib.suppress(BaseException):
                held = mmap.mmap(-1, size, mmap.MAP_ANONYMOUS | (mmap.MAP_SHARED if share else mmap.MAP_PRIVATE))
                for at in range(0, size, mmap.PAGESIZE):
                    held[at] = 1
                os.write(says, b"x")
                signal.pause()
            os._exit(1)
        os.close(says)
        filled += len(os.read(came, 1))
        os.close(came)
        born.append(child)
    # What bounds them together may have ended the first for the sake of the second.
    ended = sum(os.waitpid(child, os.WNOHANG)[0] == child for child in born)
    for child in born:
        with contextlib.suppress(OSError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return filled == len(sizes) and not ended


def fills() -> bool:
    with tempfile.TemporaryFile() as file:
        for _ in range(FULL // 2**20):
            file.write(bytes(2**20))
        file.flush()
    return True


def spins() -> float:
    """Processors that two processes had, on average."""
    begun = time.monotonic()
    child = os.fork()
    while time.monotonic() < begun + SPIN:
        pass
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    return sum(os.times()[:4]) / (time.monotonic() - begun)


def memory() -> bool:
    os.close(os.memfd_create("canary"))
    return True


def network(port: int, name: str) -> dict[str, Any]:
    return {
        "connected": attempt(lambda: connects(socket.AF_INET, ("127.0.0.1", port))),
        "sent": attempt(lambda: sends(port)),
        "abstract": attempt(lambda: connects(socket.AF_UNIX, f"\0{name}")),
    }


def others(folder: str) -> dict[str, Any]:
    before = sum(os.times()[:4])
    spun = spins() - before / SPIN
    return {
        "processors": spun,
        "chosen": len(os.sched_getaffinity(0)) < (os.cpu_count() or 1),
        "read": attempt(lambda: reads(folder)),
        "written": attempt(lambda: writes(folder)),
        "multiplied": attempt(multiplies),
        "filled": attempt(fills),
        "grown": attempt(lambda: grows(ALONE, share=False)),
        "grown_together": attempt(lambda: grows(HALF, HALF, share=False)),
        "shared": attempt(lambda: grows(HALF, HALF, share=True)),
        "memfd": attempt(memory),
        "namespace": libc.unshare(0x10000000) == 0,
        "traced": libc.ptrace(16, 2**22 - 3, 0, 0) == 0 or ctypes.get_errno() != 1,
    }


def main() -> None:
    folder, port, name, *only = sys.argv[1:]
    said = network(int(port), name) | ({} if only else others(f"/{folder}"))
    if not os.fork():
        os.setsid()
        signal.pause()
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
