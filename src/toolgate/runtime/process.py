"""A server as a plain child process, without a sandbox."""

from toolgate.runtime.base import Launch, Output, Redact
from toolgate.runtime.canaries import examine
from toolgate.runtime.child import Process
from toolgate.runtime.command import found
from toolgate.runtime.protections import Protections
from toolgate.runtime.spawn import Spawn, spawn

__all__ = ["Plain", "Process", "start"]


async def start(name: str, launch: Launch, output: Output, *, limit: int, redact: Redact) -> Process:
    """A `runtime.base.Runtime`. Raises `StartFailed`."""
    program, cwd = found(launch)
    child = Spawn((program, *launch.args), launch.environment, cwd, command=launch.command)
    return await spawn(name, child, output, limit=limit, redact=redact)


class Plain:
    """A `runtime.protections.Sandbox` that is none."""

    name = "process"

    async def __call__(self, name: str, launch: Launch, output: Output, *, limit: int, redact: Redact) -> Process:
        return await start(name, launch, output, limit=limit, redact=redact)

    async def probe(self) -> Protections:
        return await examine(self)

    async def close(self) -> None:
        """Nothing is left."""
