"""Taking more than it may have."""

import contextlib
import mmap
import os
import select
import signal
import time
from collections.abc import Callable

from .given import MIB, PATIENCE, TMP, any_of, world


def touch(size: int, flags: int) -> mmap.mmap:
    held = mmap.mmap(-1, size, flags | mmap.MAP_ANONYMOUS)
    for at in range(0, size, mmap.PAGESIZE):
        held[at] = 1
    return held


def together(count: int, step: Callable[[], object]) -> bool:
    """Whether that many children could do it at the same time."""
    read, write = os.pipe()
    born = []
    for _ in range(count):
        child = os.fork()
        if not child:
            with contextlib.suppress(BaseException):
                held = step()
                os.write(write, b"x")
                signal.pause()
                del held
            os._exit(1)
        born.append(child)
    os.close(write)
    done, until = 0, time.monotonic() + PATIENCE / 2
    while done < count and time.monotonic() < until and not os.waitpid(-1, os.WNOHANG)[0]:
        ready, _, _ = select.select([read], [], [], 0.02)
        done += len(os.read(read, count)) if ready else 0
    for child in born:
        with contextlib.suppress(OSError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return done == count


def take_memory() -> object:
    return touch(world["memory"] + 32 * MIB, mmap.MAP_PRIVATE)


def take_memory_in_parts() -> object:
    return together(4, lambda: touch(world["memory"] // 2, mmap.MAP_PRIVATE))


def take_shared_memory() -> object:
    return touch(world["memory"] + 32 * MIB, mmap.MAP_SHARED)


def take_memory_file() -> object:
    file = os.memfd_create("x")
    for _ in range(world["memory"] // MIB + 32):
        os.write(file, bytes(MIB))
    return True


def fill(place: str, over: int) -> bool:
    size = 0
    for number in range(64):
        with open(f"{place}/toolgate-attack-{number}", "wb") as file:
            size += file.write(bytes(MIB))
        if size > over:
            return True
    return False


def fill_tmp() -> object:
    return fill(TMP, 3 * world["tmp"])


def fill_one_file() -> object:
    with open(f"{TMP}/large", "wb") as file:
        return file.write(bytes(3 * world["tmp"])) == 3 * world["tmp"]


def fill_elsewhere() -> object:
    return any_of(lambda at: fill(at, 32 * MIB), ("/dev/shm", "/var/tmp", "/run", "/run/shm"))  # noqa: S108  # inside


def spin() -> object:
    """Whether three processes had well over what they may have together."""
    begun = time.monotonic()
    children = [os.fork(), 0]
    if children[0]:
        children[1] = os.fork()
    while time.monotonic() < begun + 0.8:
        pass
    if not all(children):
        os._exit(0)
    for child in children:
        os.waitpid(child, 0)
    return sum(os.times()[:4]) / (time.monotonic() - begun) > 1.5 * world["cpus"]
