"""Calls that build another world, or take this one apart."""

import ctypes
import os
import signal

from .given import PARENT, TMP, any_of, libc, world

MACHINE = os.uname().machine


def numbered(x86_64: int, aarch64: int) -> int:
    return {"x86_64": x86_64, "aarch64": aarch64}[MACHINE]


def call(number: int, *arguments: object) -> bool:
    ctypes.set_errno(0)
    wide = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    if libc.syscall(ctypes.c_long(number), *wide) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return True


def new_user_namespace() -> object:
    return libc.unshare(0x10000000) == 0


def new_mount_namespace() -> object:
    return libc.unshare(0x20000) == 0


def clone_user_namespace() -> object:
    flags = ctypes.c_long(0x10000000 | signal.SIGCHLD)
    child = libc.syscall(ctypes.c_long(numbered(56, 220)), flags, *[ctypes.c_long(0)] * 4)
    if child == 0:
        os._exit(0)
    return child > 0


def enter_namespace() -> object:
    return any_of(lambda pid: libc.setns(os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY), 0) == 0, (PARENT, 1))


def mount_tmpfs() -> object:
    return libc.mount(b"x", TMP.encode(), b"tmpfs", 0, None) == 0


def mount_anew() -> object:
    fsopen, open_tree = (430, b"tmpfs", 0), (428, -100, b"/", 1)
    return any_of(lambda asked: call(*asked), (fsopen, open_tree))


def change_root() -> object:
    os.chroot("/")
    return True


def become_root() -> object:
    if os.getuid() == 0:
        return world["root"]  # inside a namespace of its own it may be called so
    os.setresuid(0, 0, 0)
    return True


def open_by_handle() -> object:
    handle = ctypes.create_string_buffer(b"\x08\0\0\0\1\0\0\0\2\0\0\0\0\0\0\0", 16)  # the inode of /
    return call(numbered(304, 265), os.open(TMP, os.O_RDONLY), handle, os.O_RDONLY)


def use_the_dangerous() -> object:
    """bpf, perf_event_open, userfaultfd, add_key, init_module, io_uring_setup: with arguments that do no harm."""
    blank = ctypes.create_string_buffer(256)
    numbers = [numbered(*pair) for pair in ((321, 280), (298, 241), (323, 282), (248, 217), (175, 105))]
    return any_of(lambda number: call(number, 0, blank, 72, 0, 0), numbers) or call(425, 8, blank)
