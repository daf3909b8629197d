"""The runtimes that this machine itself has."""

import hashlib
from pathlib import Path

from toolgate.runtime.bubblewrap import Bubblewrap
from toolgate.runtime.choose import Choice
from toolgate.runtime.container import Containers
from toolgate.runtime.e2b.runtime import E2b
from toolgate.runtime.kubernetes.kubernetes import Kubernetes
from toolgate.runtime.landlock import Landlock
from toolgate.runtime.process import Plain

__all__ = ["local_runtimes"]


def local_runtimes(state: Path) -> Choice:
    """The best first. `state` is the gateway's own folder, which no server sees."""
    gateway = hashlib.sha256(str(state.absolute()).encode()).hexdigest()[:16]
    containers = [
        Containers("podman", gateway, folder=state / "containers"),
        Containers("docker", gateway, folder=state / "containers"),
        Containers("docker", gateway, folder=state / "containers", runtime="runsc"),
    ]
    e2b = E2b(state / "e2b")
    kubernetes = Kubernetes(state / "kubernetes")
    elsewhere = (kubernetes, e2b)
    return Choice([Bubblewrap(state), Landlock(state), Plain()], containers, elsewhere, elsewhere)
