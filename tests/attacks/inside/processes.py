"""Seeing, reading and steering other processes; having too many."""

import contextlib
import ctypes
import os
import resource
import signal

from .given import PARENT, any_of, contains, libc, mark, opens, shown, world


def others() -> list[object]:
    """Who started us, the gateway, and everybody that /proc shows or may have."""
    shown_there: list[str] = []
    with contextlib.suppress(OSError):
        shown_there = list(filter(str.isdigit, os.listdir("/proc")))
    return [PARENT, world["pid"], *shown_there, *range(1, 40)]


def about_others(name: str, text: str) -> bool:
    return any_of(lambda pid: contains(f"/proc/{pid}/{name}", text), others())


def see_others() -> object:
    return about_others("cmdline", shown)


def read_environment() -> object:
    return about_others("environ", mark)


def read_memory() -> object:
    return any_of(lambda pid: opens(f"/proc/{pid}/mem", os.O_RDONLY), (PARENT, world["pid"]))


def write_memory_of_first() -> object:
    """Of what keeps the sandbox: it may have no filter itself."""
    return opens(f"/proc/{1 if PARENT < 2 else PARENT}/mem", os.O_RDWR)


def read_memory_by_call() -> object:
    class Part(ctypes.Structure):
        _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))

    held = ctypes.create_string_buffer(8)
    here = Part(ctypes.addressof(held), 8)
    there = Part(ctypes.addressof(held), 8)
    child = os.fork()
    if not child:
        signal.pause()
    try:
        return libc.process_vm_readv(child, ctypes.byref(here), 1, ctypes.byref(there), 1, 0) == 8
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def signal_gateway() -> object:
    os.kill(world["pid"], 0)
    return True


def trace() -> object:
    child = os.fork()
    if not child:
        signal.pause()
    try:
        return libc.ptrace(0x4206, child, 0, 0) == 0  # PTRACE_SEIZE
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def fork_bomb() -> object:
    born = []
    try:
        for _ in range(2 * world["processes"]):
            child = os.fork()
            if not child:
                signal.pause()
            born.append(child)
    finally:
        for child in born:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return True


def take_descriptors() -> object:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for _ in range(8192):
        os.open("/dev/null", os.O_RDONLY)
    return True
