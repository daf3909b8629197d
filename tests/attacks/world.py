"""What the attacks are after: secrets in files and environments, another tenant, listeners of this machine."""

import json
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from toolgate.model.profile import Profile

__all__ = ["MIB", "PLACE", "laid_out", "told"]

MIB = 2**20
INSIDE = Path(__file__).with_name("inside")
PLACE = "/var/tmp"  # noqa: S108  # not below /tmp, where a sandbox may have something else


@contextmanager
def laid_out(mark: str, shown: str, profile: Profile) -> Iterator[dict[str, Any]]:
    """The WORLD of `inside`. Everything in it is open to anybody, so that only the walls stand before it; `mark` is in
    our environment and in files, `shown` in our command line. `profile` is what the attackers may have."""
    with ExitStack() as stack:
        base = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix=f"toolgate-attacks-{os.getpid()}-", dir=PLACE))
        )
        base.chmod(0o777)
        shutil.copytree(INSIDE, base / "program/inside", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("folder", "mount", "state"):
            (base / name).mkdir()
            (base / name).chmod(0o777)
        for name in ("secret", "victim", "folder/removed", "state/document"):
            (base / name).write_text(mark)
            (base / name).chmod(0o666)
        listening = _listening(base, stack)
        yield {
            **{name: str(base / name)[1:] for name in ("secret", "victim", "folder", "mount", "state", "program")},
            **listening,
            "base": str(base)[1:],
            "mark": mark[::-1],
            "shown": shown[::-1],
            "others": [str(base / "state")[1:]],
            "pid": os.getpid(),
            "root": os.geteuid() == 0,
            "memory": profile.memory,
            "processes": profile.processes,
            "tmp": profile.tmp,
            "cpus": profile.cpus,
        }


def _listening(base: Path, stack: ExitStack) -> Mapping[str, Any]:
    everywhere = stack.enter_context(socket.create_server(("0.0.0.0", 0), backlog=128))  # noqa: S104  # bait
    echo = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    echo.bind(("127.0.0.1", 0))
    Thread(target=_answer, args=(echo,), daemon=True).start()
    abstract = f"toolgate-attacks-{secrets.token_hex(4)}"
    for address, kind in (
        (str(base / "unix"), socket.SOCK_STREAM),
        (str(base / "datagrams"), socket.SOCK_DGRAM),
        (f"\0{abstract}", socket.SOCK_STREAM),
    ):
        ear = stack.enter_context(socket.socket(socket.AF_UNIX, kind))
        ear.bind(address)
        if kind == socket.SOCK_STREAM:
            ear.listen(64)
        if not address.startswith("\0"):
            Path(address).chmod(0o777)
    return {
        "tcp": everywhere.getsockname()[1],
        "udp": echo.getsockname()[1],
        "address": _own_address(),
        "unix": str(base / "unix")[1:],
        "datagrams": str(base / "datagrams")[1:],
        "abstract": abstract,
    }


def _answer(echo: socket.socket) -> None:
    """A name server that says back what it was asked; ends with its socket."""
    try:
        while True:
            asked, who = echo.recvfrom(512)
            echo.sendto(asked, who)
    except OSError:
        return


def _own_address() -> str:
    """One of this machine's that is not 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.2"
        return str(probe.getsockname()[0])


def told(world: Mapping[str, Any]) -> str:
    return json.dumps(world)
