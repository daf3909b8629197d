"""What the tests of pods do again and again."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.runtime.contract import Told
from tests.runtime.kubernetes.cluster import Cluster, kubeconfig
from tests.runtime.kubernetes.node import IMAGE
from toolgate.errors import StartFailed
from toolgate.model.profile import Profile
from toolgate.runtime.base import Launch, Running
from toolgate.runtime.kubernetes.kubernetes import Kubernetes

__all__ = ["answers", "asked", "docker", "killed", "refused", "running", "vanished"]


def docker(*command: str, image: str = IMAGE, profile: Profile | None = None, **environment: str) -> Launch:
    variables = [word for name in environment for word in ("-e", name)]
    args = ("run", "-i", "--rm", *variables, image, *command)
    return Launch("docker", args, environment, profile=profile or Profile(), owner="team:blue")


@asynccontextmanager
async def running(runtime: Kubernetes, launch: Launch) -> AsyncIterator[tuple[Running, Told]]:
    told = Told()
    started = await runtime("tested", launch, told, limit=2**20, redact=lambda text: text.replace("secret", "***"))
    try:
        yield started, told
    finally:
        await started.stop(0)


async def refused(runtime: Kubernetes, launch: Launch) -> StartFailed:
    with pytest.raises(StartFailed) as failed:
        async with running(runtime, launch):
            pass
    return failed.value


async def answers(runtime: Kubernetes, launch: Launch) -> None:
    """A server that says back what it is told."""
    async with running(runtime, launch) as (server, told):
        server.write(b"hello")
        assert await told.next() == b"hello"


async def asked(cluster: Cluster, what: str, times: int = 1) -> None:
    async with asyncio.timeout(5):
        while cluster.asked.count(what) < times:  # noqa: ASYNC110  # the double does not tell
            await asyncio.sleep(0)


async def vanished(cluster: Cluster, kind: str) -> None:
    async with asyncio.timeout(5):
        while cluster.objects.all(kind):  # noqa: ASYNC110
            await asyncio.sleep(0)


GATEWAY = """
import asyncio, sys
from pathlib import Path
from tests.runtime.contract import Told
from tests.runtime.kubernetes.scenes import docker
from toolgate.runtime.kubernetes.kubernetes import Kubernetes

async def main():
    runtime = Kubernetes(Path(sys.argv[1]), {"KUBECONFIG": sys.argv[2]})
    running = await runtime("tested", docker("sh", "-c", sys.argv[3], KEY="1"), Told(), limit=2**20, redact=str)
    running.write(b"")
    print("up", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def killed(cluster: Cluster, folder: Path, script: str) -> None:
    """A gateway that was killed while it ran a server."""
    file = kubeconfig(cluster, folder)
    gateway = await asyncio.create_subprocess_exec(
        sys.executable, "-c", GATEWAY, str(folder), str(file), script,
        stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": "."},
    )  # fmt: skip
    assert gateway.stdout is not None
    assert await asyncio.wait_for(gateway.stdout.readline(), 20) == b"up\n"
    gateway.kill()
    await gateway.wait()
