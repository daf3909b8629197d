"""The way out of servers that the runtime starts."""

import asyncio
import sys
from pathlib import Path

from tests.runtime.egress.conftest import Run
from tests.runtime.egress.origin import certify, outside
from toolgate.model.profile import Profile
from toolgate.runtime.base import Launch
from toolgate.runtime.bubblewrap import Bubblewrap

SERVER = """
import socket, sys, urllib.request
print(urllib.request.urlopen(sys.argv[1]).read().decode())
try:
    socket.getaddrinfo("evil.example.net", 443)
except socket.gaierror:
    print("unknown", flush=True)
"""


class Reader:
    """Implements `Output`."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.told: list[str] = []
        self.end = asyncio.Event()

    def line(self, line: bytes) -> None:
        self.lines.append(line)

    def oversized(self, head: bytes, tail: bytes, size: int) -> None:
        raise AssertionError(size)

    def said(self, line: str) -> None:
        self.told.append(line)

    def ended(self, reason: str) -> None:
        self.told.append(reason)
        self.end.set()


def test_a_server_reaches_what_its_profile_names_and_its_log_says_what_it_does_not(run: Run, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with outside(certify(tmp_path, "api.example.com")) as world:
            here = f"127.0.0.1:{world.ports[80]}"
            launch = Launch(
                *(sys.executable, ("-c", SERVER, f"http://{here}/"), {"PATH": "/usr/bin"}),
                profile=Profile(network=("api.example.com", here)),
            )
            reader = Reader()
            runtime = Bubblewrap(tmp_path / "state")
            server = await runtime("demo", launch, reader, limit=2**20, redact=str)
            async with asyncio.timeout(20):
                await reader.end.wait()
            await server.stop(1)
            await runtime.close()
            assert reader.lines == [f"this is {here}".encode(), b"unknown"], server.last_words()
            assert "`network: [evil.example.net]`" in reader.told[0]

    run(scenario())
