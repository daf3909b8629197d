"""What is left of servers and of gateways, and who removes it."""

import asyncio
from pathlib import Path

from tests.runtime.kubernetes.cluster import Cluster, Fault
from tests.runtime.kubernetes.scenes import answers, asked, docker, killed, running, vanished
from toolgate.runtime.kubernetes.kubernetes import Kubernetes

LATE = "2020-01-01T00:00:00.000000Z"
STAYS = "read -r _; trap '' TERM; while :; do sleep 0.05; done"


async def test_a_start_that_is_given_up_leaves_nothing(cluster: Cluster, kubernetes: Kubernetes) -> None:
    cluster.node.holds.clear()
    starting = asyncio.create_task(answers(kubernetes, docker("cat", KEY="1")))
    await asked(cluster, "POST pods")
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    cluster.node.holds.set()
    await kubernetes.close()
    assert cluster.objects.all("pods") == []
    assert cluster.objects.all("secrets") == []


async def test_pods_of_a_gateway_that_was_killed_are_removed_by_its_next_start(
    cluster: Cluster, kubernetes: Kubernetes, tmp_path: Path
) -> None:
    assert await kubernetes.sweep() == 0
    assert cluster.asked == []  # no server of it ever ran there
    await killed(cluster, tmp_path, STAYS)
    assert await kubernetes.sweep() == 1
    await vanished(cluster, "pods")
    assert cluster.objects.all("secrets") == []
    assert cluster.objects.all("leases") == []


async def test_pods_of_a_gateway_that_was_killed_are_removed_by_others_when_its_lease_is_over(
    cluster: Cluster, kubernetes: Kubernetes, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    await killed(cluster, other, STAYS)
    [lease], [pod] = cluster.objects.all("leases"), cluster.objects.all("pods")
    async with running(kubernetes, docker("cat")):
        assert await kubernetes.sweep() == 0  # it says that it lives
        cluster.objects.change("leases", lease["metadata"]["name"], {"spec": {"renewTime": LATE}})
        assert await kubernetes.sweep() == 1
        async with asyncio.timeout(5):
            while cluster.objects.get("pods", pod["metadata"]["name"]):  # noqa: ASYNC110  # nothing tells
                await asyncio.sleep(0)


async def test_a_server_that_heeds_its_input_ends_with_a_gateway_that_is_killed(
    cluster: Cluster, tmp_path: Path
) -> None:
    await killed(cluster, tmp_path, "exec cat")
    [container] = cluster.node.containers.values()
    async with asyncio.timeout(5):
        assert await container.process.wait() == 0


async def test_what_could_not_be_removed_is_removed_later(cluster: Cluster, kubernetes: Kubernetes) -> None:
    async with running(kubernetes, docker("cat")) as (server, _):
        cluster.faults.append(Fault("DELETE", "pods", 403))
        await server.stop(1)
        assert len(cluster.objects.all("pods")) == 1
        assert await kubernetes.sweep() == 1
    await vanished(cluster, "pods")


async def test_starts_at_once_share_one_lease(cluster: Cluster, kubernetes: Kubernetes) -> None:
    await asyncio.gather(*(answers(kubernetes, docker("cat")) for _ in range(5)))
    assert cluster.asked.count("POST leases") == 1
