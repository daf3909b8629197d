"""A gateway whose server runs in a pod, as its person sees it."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

from tests.cli.test_up import typed
from tests.conftest import StartGateway
from tests.running import running_gateway
from tests.runtime.kubernetes.cluster import Cluster, kubeconfig
from tests.runtime.kubernetes.node import IMAGE

DEMO = ["run", "-i", "--rm", IMAGE, sys.executable, "-m", "toolgate.demo.server"]
SERVER = {"command": "docker", "args": DEMO, "sandbox": {"runtime": "kubernetes"}}


def document(**server: Any) -> dict[str, Any]:
    return {"version": 1, "sources": [], "servers": {"one": SERVER | server}}


async def vanished(cluster: Cluster) -> None:
    async with asyncio.timeout(10):
        while cluster.objects.all("pods"):  # noqa: ASYNC110  # the double does not tell
            await asyncio.sleep(0)


async def test_its_tools_are_called_and_its_pod_goes_when_it_is_idle_and_with_the_gateway(
    cluster: Cluster, start_gateway: StartGateway, tmp_path: Path
) -> None:
    known = {"KUBECONFIG": str(kubeconfig(cluster, tmp_path))}
    gateway = await start_gateway(document(idle=0.2), env=known)
    for _ in range(2):
        code, out, errors = await typed(gateway.folder, "call", "one__add", "a=1", "b=2")
        assert (code, out) == (0, "3\n"), errors
        await vanished(cluster)
    code, out, _ = await typed(gateway.folder, "doctor", "one", "--json", **known)
    assert code == 0, out
    await gateway.stop()
    assert cluster.objects.all("pods") == []
    assert cluster.objects.all("leases") == []


async def test_the_next_start_of_a_gateway_removes_what_one_that_was_killed_left(
    cluster: Cluster, tmp_path: Path
) -> None:
    known = {"KUBECONFIG": str(kubeconfig(cluster, tmp_path))}
    script = (
        "trap '' TERM; while read -r line; do :; done; while :; do sleep 0.05; done"  # answers nothing, heeds nothing
    )
    deaf = ["run", "-i", IMAGE, "sh", "-c", script]
    async with running_gateway(document(args=deaf), tmp_path, env=known) as gateway:
        async with asyncio.timeout(10):
            while not cluster.node.containers:  # noqa: ASYNC110
                await asyncio.sleep(0)
        gateway.signal(signal.SIGKILL)
        await gateway.process.wait()
    assert len(cluster.objects.all("pods")) == 1
    nothing = {"version": 1, "sources": [], "servers": {}}
    async with running_gateway(nothing, tmp_path, env=known):
        await vanished(cluster)
