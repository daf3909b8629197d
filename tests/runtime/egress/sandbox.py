"""Real sandboxes without a network, whose only way out is the one under test."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from toolgate.runtime.egress.egress import Egress

__all__ = ["Inside", "held", "sandboxed"]

_HOME = "/tmp"  # noqa: S108 - of the sandbox
_BWRAP = (
    *("bwrap", "--unshare-all", "--unshare-user", "--disable-userns", "--uid", "1000", "--gid", "1000"),
    *("--cap-drop", "ALL", "--die-with-parent", "--new-session", "--clearenv", "--setenv", "HOME", _HOME),
    *("--setenv", "PATH", "/usr/bin", "--ro-bind", "/usr", "/usr"),
    *(part for name in ("bin", "lib", "lib64") for part in ("--symlink", f"usr/{name}", f"/{name}")),
    *("--ro-bind-try", "/etc/ssl", "/etc/ssl", "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"),
    *("--ro-bind-try", "/etc/alternatives", "/etc/alternatives"),
    *("--proc", "/proc", "--dev", "/dev", "--tmpfs", _HOME, "--chdir", _HOME),
)


class Inside:
    """A program in a sandbox. What it prints is read until it ends."""

    def __init__(self, process: asyncio.subprocess.Process, go: int) -> None:
        self.process = process
        self._go = go

    def begin(self) -> None:
        os.write(self._go, b".")

    async def said(self) -> str:
        async with asyncio.timeout(20):
            printed, _ = await self.process.communicate()
        return printed.decode()


@asynccontextmanager
async def held(egress: Egress, *command: str, shown: tuple[Path, ...] = (), user: int = 0) -> AsyncIterator[Inside]:
    """A sandbox in which nothing runs before `begin`, with a way out. `user` is whom root runs it as."""
    told, tell = os.pipe()
    wait, go = os.pipe()
    files = {"hosts": egress.hosts, "resolv.conf": egress.resolv, "nsswitch.conf": b"hosts: files dns\n"}
    data = {name: _in_memory(content) for name, content in files.items()}
    argv = [
        part for name, fd in data.items() for part in ("--perms", "0444", "--ro-bind-data", str(fd), f"/etc/{name}")
    ]
    visible = (Path(sys.prefix), Path(sys.base_prefix), Path(shutil.which("node") or "/usr").parent.parent, *shown)
    if not user:  # whom root's files may not be shown to
        argv += [part for path in visible for part in ("--ro-bind", str(path), str(path))]
    dropped = (
        ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--inh-caps=-all", "--") if user else ()
    )
    process = await asyncio.create_subprocess_exec(
        *(*dropped, *_BWRAP, *argv, "--info-fd", str(tell), "--block-fd", str(wait), "--", *command),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        pass_fds=(tell, wait, *data.values()),
        env={"PATH": os.environ["PATH"]},
    )
    for descriptor in (tell, wait, *data.values()):
        os.close(descriptor)
    try:
        await egress.enter(await asyncio.to_thread(_pid, told))
        yield Inside(process, go)
    finally:
        os.close(told)
        os.close(go)
        if process.returncode is None:
            process.kill()
        await process.wait()
        await egress.close()


@asynccontextmanager
async def sandboxed(
    egress: Egress, *command: str, shown: tuple[Path, ...] = (), user: int = 0
) -> AsyncIterator[Inside]:
    async with held(egress, *command, shown=shown, user=user) as inside:
        inside.begin()
        yield inside


def _in_memory(content: bytes) -> int:
    made = os.memfd_create("file")
    os.write(made, content)
    os.lseek(made, 0, os.SEEK_SET)
    return made


def _pid(told: int) -> int:
    said = b"".join(iter(lambda: os.read(told, 4096), b""))
    return int(json.loads(said)["child-pid"])
