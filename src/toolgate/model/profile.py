"""What a server that Toolgate starts may use and reach. What it is not given it has not."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

__all__ = ["ANYWHERE", "ELSEWHERE", "Mount", "Profile", "Wall"]

ANYWHERE: Final = "*"
"""As a host in `Profile.network`: every public address."""
ELSEWHERE: Final = frozenset({"e2b", "kubernetes"})
"""Runtimes that are no part of this machine: what is installed here is not there."""


class Wall(StrEnum):
    """What stands between a server and everything else."""

    FILESYSTEM = "filesystem"
    NETWORK = "network"
    EGRESS = "egress"
    """Of the hosts of the network, only those that it was given."""
    PROCESSES = "processes"
    MEMORY = "memory"
    CPU = "cpu"
    TEMPORARY = "tmp"
    SYSCALLS = "syscalls"
    ORPHANS = "orphans"
    """Nothing that it started outlives it, nor the gateway."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A file or folder of this machine that a server sees, at the same path."""

    path: str
    writable: bool = False


@dataclass(frozen=True, slots=True)
class Profile:
    """Sizes are bytes. `network` has names of hosts (`api.example.com`, `*.example.com`), none for no network."""

    runtime: str = "auto"
    network: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    memory: int = 512 * 2**20
    processes: int = 64
    cpus: float = 1.0
    tmp: int = 64 * 2**20
    persistent: bool = False
    """A home that survives; nothing else does."""
    template: str = ""
    """What its sandbox is made of, where `runtime` is e2b."""
    requires: frozenset[Wall] = frozenset()
    """Walls without which it is not started."""
    accept: frozenset[Wall] = frozenset()
    """Walls that its operator does without, by name."""

    @property
    def needs(self) -> frozenset[Wall]:
        """The walls that must be enforced."""
        named = bool(self.network) and ANYWHERE not in self.network
        return (self.requires | ({Wall.EGRESS} if named else set())) - self.accept
