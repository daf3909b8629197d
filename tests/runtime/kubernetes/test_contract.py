"""What every runtime keeps, kept by pods."""

import asyncio
import os
from secrets import token_hex

import pytest

from tests.parts.where import Parts
from tests.runtime.contract import INITIALIZE, SHELL, Life, gone, started
from tests.runtime.kubernetes.node import IMAGE
from toolgate.errors import StartFailed
from toolgate.runtime.base import Launch, Output, Redact, Running
from toolgate.runtime.kubernetes.kubernetes import Kubernetes
from toolgate.runtime.protections import Protections, Sandbox

WAITS = 'read -r _; exec "$0" "$@"'


class Imaged:
    """Runs a program of this machine as the image that has all of it. It begins with the first line, since what a
    container writes before somebody is attached is heard by nobody, and a server of this protocol speaks when it is
    spoken to."""

    def __init__(self, kubernetes: Kubernetes) -> None:
        self.name = kubernetes.name
        self.kubernetes = kubernetes

    async def __call__(self, name: str, launch: Launch, output: Output, *, limit: int, redact: Redact) -> Running:
        variables = [word for variable in launch.environment for word in ("-e", variable)]
        command = (SHELL, "-c", WAITS, launch.command, *launch.args)
        args = ("run", "-i", "--rm", *variables, IMAGE, *command)
        within = Launch("docker", args, launch.environment, profile=launch.profile, owner=launch.owner)
        running = await self.kubernetes(name, within, output, limit=limit, redact=redact)
        running.write(b"")
        return running

    async def probe(self) -> Protections:
        return await self.kubernetes.probe()

    async def close(self) -> None:
        await self.kubernetes.close()


@pytest.fixture
def runtime(kubernetes: Kubernetes) -> Imaged:
    return Imaged(kubernetes)


class TestLife(Life):
    async def test_a_command_that_is_not_there_is_a_failed_start(self, runtime: Sandbox) -> None:
        assert isinstance(runtime, Imaged)
        launch = Launch("docker", ("run", IMAGE, "/there/is/none"))
        with pytest.raises(StartFailed, match=r"could not be started: .*no such file"):
            async with started(runtime.kubernetes, launch.command, *launch.args):
                pass

    async def test_nothing_is_left_of_many(self, runtime: Sandbox) -> None:
        """Descriptors are counted after the connections to the API server were closed, of which some are kept."""
        name, before = token_hex(), len(os.listdir("/proc/self/fd"))

        async def once(at: int) -> None:
            script = ("exit 1", "kill -9 $$", "cat", "sleep 60 & sleep 60")[at % 4]
            async with started(runtime, SHELL, "-c", f"echo up; {script}", name) as (_, told):
                assert await told.next() == b"up"

        for first in range(0, 24, 4):
            await asyncio.gather(*(once(first + at) for at in range(4)))
        await gone(name)
        await runtime.close()
        async with asyncio.timeout(5):
            while len(os.listdir("/proc/self/fd")) > before + 1:  # noqa: ASYNC110  # the double's ends; nothing tells
                await asyncio.sleep(0)

    async def test_a_real_server_answers(self, runtime: Sandbox, parts: Parts) -> None:
        command = parts.node("server-everything")
        async with started(runtime, *command) as (running, told):
            running.write(INITIALIZE)
            assert b'"protocolVersion"' in await told.next()
            running.write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')
            running.write(b'{"jsonrpc":"2.0","id":2,"method":"tools/list"}')
            async with asyncio.timeout(10):
                while b'"id":2' not in (line := await told.next()):
                    pass
            assert b'"tools"' in line
