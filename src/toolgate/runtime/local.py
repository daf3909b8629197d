"""The runtimes that this machine itself has."""

import asyncio
import hashlib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from toolgate.runtime.base import Launch, Output, Redact, Running
from toolgate.runtime.bubblewrap import Bubblewrap
from toolgate.runtime.choose import Choice
from toolgate.runtime.container import Containers
from toolgate.runtime.e2b.runtime import E2b
from toolgate.runtime.landlock import Landlock
from toolgate.runtime.process import Plain
from toolgate.runtime.protections import Protections

if TYPE_CHECKING:
    from toolgate.runtime.kubernetes.kubernetes import Kubernetes

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
    kubernetes = _Kubernetes(state / "kubernetes")
    elsewhere = (kubernetes, e2b)
    return Choice([Bubblewrap(state), Landlock(state), Plain()], containers, elsewhere, elsewhere)


class _Kubernetes:
    """Loaded when somebody asks for it, or has used it before."""

    name = "kubernetes"

    def __init__(self, state: Path) -> None:
        self._state = state

    @cached_property
    def _made(self) -> "Kubernetes":
        from toolgate.runtime.kubernetes.kubernetes import Kubernetes  # noqa: PLC0415  # aiohttp: much, for few

        return Kubernetes(self._state)

    async def __call__(self, name: str, launch: Launch, output: Output, *, limit: int, redact: Redact) -> Running:
        return await self._made(name, launch, output, limit=limit, redact=redact)

    async def probe(self) -> Protections:
        return await self._made.probe()

    async def sweep(self) -> int:
        return await self._made.sweep() if await asyncio.to_thread(self._state.exists) else 0

    async def close(self) -> None:
        if "_made" in self.__dict__:
            await self._made.close()
