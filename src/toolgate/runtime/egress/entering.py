"""Sockets that listen inside a sandbox's network and are held by the gateway."""

import asyncio
import os
import socket
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

__all__ = ["Bound", "NotEntered", "bind_inside"]

_ENTRANCE: Final = Path(__file__).with_name("entrance.py")
_SECONDS: Final = 10.0


class NotEntered(OSError):
    """No sockets could be bound in the network of a process. Its text says why."""


@dataclass(frozen=True, slots=True)
class Bound:
    """`listeners` are for the ports that were asked for, in their order."""

    listeners: tuple[socket.socket, ...]
    datagrams: socket.socket
    stream: socket.socket

    def close(self) -> None:
        for each in (*self.listeners, self.datagrams, self.stream):
            each.close()


async def bind_inside(pid: int, ports: Sequence[int], addresses: Sequence[IPv4Address | str]) -> Bound:
    """Listeners for all IPv4 addresses of the network namespace of `pid`, and those of its resolver at 127.0.0.1:53.
    `addresses` become addresses of that network. Raises NotEntered, in at most 10 seconds."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            lists = (",".join(map(str, ports)), ",".join(map(str, addresses)))
            await _run(pid, theirs, *lists)
        ours.setblocking(False)
        descriptors = _received(ours, len(ports) + 2)
    *listeners, datagrams, stream = (socket.socket(fileno=each) for each in descriptors)
    return Bound(tuple(listeners), datagrams, stream)


def _received(channel: socket.socket, most: int) -> Sequence[int]:
    """By hand, since `socket.recv_fds` drops its flags: without this one every child would inherit them."""
    descriptors = array("i")
    room = socket.CMSG_SPACE(most * descriptors.itemsize)
    _, ancillary, _, _ = channel.recvmsg(1, room, socket.MSG_CMSG_CLOEXEC)
    for _, _, data in ancillary:
        descriptors.frombytes(data)
    return descriptors


async def _run(pid: int, channel: socket.socket, ports: str, addresses: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", os.fspath(_ENTRANCE), str(pid), str(channel.fileno()), ports, addresses),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={},
        cwd="/",
        pass_fds=(channel.fileno(),),
    )
    try:
        async with asyncio.timeout(_SECONDS):
            _, said = await process.communicate()
    except TimeoutError:
        raise NotEntered(f"the network of process {pid} was not entered within {_SECONDS:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        reason = said.decode(errors="replace").strip().splitlines()
        raise NotEntered(
            f"the network of process {pid} can not be entered: {reason[-1] if reason else 'no reason given'}"
        )
