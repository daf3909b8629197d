"""What a sandbox of E2B keeps a server from, found out by one that tries."""

import asyncio
import contextlib
import os
import secrets
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from toolgate.errors import StartFailed
from toolgate.model.profile import Wall
from toolgate.runtime.base import Launch, Runtime
from toolgate.runtime.canaries import nothing
from toolgate.runtime.protections import Finding, Grade, Protections

__all__ = ["examine", "judged"]

_ANSWER: Final = 20.0  # seconds
_LIMIT: Final = 64 * 1024
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_CLOUD: Final = "https://api.e2b.app"

# In the words of bash, which is in every template. Without a network each try ends at once or is given up.
_SCRIPT: Final = r"""
reaches() { timeout 3 bash -c "exec 3<>/dev/tcp/$1/$2" 2>/dev/null && echo yes || echo no; }
echo "able $(command -v timeout >/dev/null && echo yes)"
echo "read $(test -r "/$1" && echo yes || echo no)"
echo "machine $(reaches 127.0.0.1 "$2")"
echo "outside $(reaches "$3" "$4")"
echo "boot $(cat /proc/sys/kernel/random/boot_id 2>/dev/null)"
"""


async def examine(runtime: Runtime, api_url: str | None) -> Protections:
    """Never raises. Costs one sandbox, for some seconds."""
    url = urlsplit(api_url or os.environ.get("E2B_API_URL") or _CLOUD)
    try:
        with tempfile.TemporaryDirectory(prefix="toolgate-") as folder, socket.create_server(("127.0.0.1", 0)) as bait:
            file = Path(folder, secrets.token_hex(8))
            await asyncio.to_thread(file.touch)
            # What surely answers where there is a way out is the service itself.
            outside = await _address(url.hostname or "", url.port or 443)
            words = (str(file)[1:], str(bait.getsockname()[1]), *outside)
            said = await _try(runtime, Launch("bash", ("-c", _SCRIPT, "canary", *words), owner="canary"))
    except (StartFailed, OSError, TimeoutError) as error:
        hint = getattr(error, "hint", "")
        return nothing(f"{error or 'E2B did not answer in time'}{': ' if hint else ''}{hint}")
    return judged(said)


def judged(said: Mapping[str, str]) -> Protections:
    """From the canary's words; what it did not say was no wall."""
    own = _BOOT.read_text(encoding="ascii").strip() if _BOOT.exists() else ""
    network = _grade(
        (said.get("able") != "yes", "its template has no `timeout` to try it with"),
        (said.get("machine") != "no", "what listens on this machine can be reached"),
        (said.get("outside") != "no", "the network can be reached"),
    )
    elsewhere = Finding(Grade.ENFORCED, "a machine of its own, elsewhere")
    if not said.get("boot") or said["boot"] == own:
        return {**nothing("it runs on this machine's own kernel"), Wall.NETWORK: network}
    return {
        Wall.FILESYSTEM: _grade((said.get("read") != "no", "files of this machine can be read")),
        Wall.NETWORK: network,
        Wall.EGRESS: Finding(
            Grade.PARTIAL if network.grade is Grade.ENFORCED else network.grade,
            network.reason or "E2B's own firewall goes by names, and lets questions to a public resolver through",
        ),
        Wall.PROCESSES: Finding(Grade.PARTIAL, "they are bounded by the memory of its template alone"),
        Wall.MEMORY: Finding(Grade.PARTIAL, "it has what its template has, not what `memory` says"),
        Wall.CPU: Finding(Grade.PARTIAL, "it has what its template has, not what `cpus` says"),
        Wall.TEMPORARY: Finding(Grade.PARTIAL, "it has the disk of its template, not what `tmp` says"),
        Wall.SYSCALLS: elsewhere,
        Wall.ORPHANS: Finding(Grade.PARTIAL, "where the gateway is killed, its sandboxes end some minutes later"),
    }


def _grade(*absent: tuple[bool, str]) -> Finding:
    reason = next((reason for open_, reason in absent if open_), "")
    return Finding(Grade.ABSENT, reason) if reason else Finding(Grade.ENFORCED)


async def _address(host: str, port: int) -> tuple[str, str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, family=socket.AF_INET, type=socket.SOCK_STREAM)
    return str(found[0][4][0]), str(port)


async def _try(runtime: Runtime, launch: Launch) -> dict[str, str]:
    said = _Said()
    running = await runtime("canary", launch, said, limit=_LIMIT, redact=str)
    try:
        async with asyncio.timeout(_ANSWER):
            await said.over
    finally:
        await running.stop(0)
    return said.words


class _Said:
    """An `Output` of a word and what goes with it on each line."""

    def __init__(self) -> None:
        self.words: dict[str, str] = {}
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def line(self, line: bytes) -> None:
        word, _, rest = line.decode("utf-8", "replace").partition(" ")
        self.words[word] = rest

    def oversized(self, head: bytes, tail: bytes, size: int) -> None:
        """It says nothing as long."""

    def said(self, text: str) -> None:
        """Of no use here."""

    def ended(self, reason: str) -> None:
        with contextlib.suppress(asyncio.InvalidStateError):
            self.over.set_result(None)
