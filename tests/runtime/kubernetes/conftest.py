from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.runtime.kubernetes.cluster import Cluster, kubeconfig
from toolgate.runtime.kubernetes.kubernetes import Kubernetes
from toolgate.runtime.kubernetes.starting import Patience


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    cluster = Cluster(tmp_path)
    await cluster.begin()
    yield cluster
    await cluster.close()


@pytest.fixture
async def kubernetes(cluster: Cluster, tmp_path: Path) -> AsyncIterator[Kubernetes]:
    environment = {"KUBECONFIG": str(kubeconfig(cluster, tmp_path))}
    runtime = Kubernetes(tmp_path, environment, Patience(placed=0.5, fetched=1.0))
    yield runtime
    await runtime.close()
    assert cluster.objects.all("pods") == []
    assert cluster.objects.all("secrets") == []
    assert cluster.objects.all("leases") == []
