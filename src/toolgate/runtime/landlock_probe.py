"""What Landlock gives here: what canaries found, less what is known of it that no canary comes upon."""

import os
from collections.abc import Iterator
from typing import Final

from toolgate.model.profile import Wall
from toolgate.runtime.base import Runtime
from toolgate.runtime.canaries import examine
from toolgate.runtime.landlock_abi import SCOPES_SINCE, TRUNCATES_SINCE
from toolgate.runtime.protections import Finding, Grade, Protections

__all__ = ["examined"]

_AGAIN: Final = 3
_ORDER: Final = (Grade.ABSENT, Grade.PARTIAL, Grade.ENFORCED)


async def examined(sandbox: Runtime, abi: int, bounded: frozenset[Wall]) -> Protections:
    """`bounded` has the walls that a control group holds. Never raises."""
    found = dict(await examine(sandbox, bounded))
    for _ in range(_AGAIN):
        if any(finding.grade is not Grade.ABSENT for finding in found.values()):
            break
        # Where a control group runs out of memory the kernel may end the canary and not the child that took it.
        found = dict(await examine(sandbox, bounded))
    root = os.geteuid() == 0
    for wall, known in (*_known(abi, root=root), *_counted(abi, bounded, root=root)):
        if _ORDER.index(known.grade) <= _ORDER.index(found[wall].grade):
            found[wall] = known
    return found


def _known(abi: int, *, root: bool) -> Iterator[tuple[Wall, Finding]]:
    yield Wall.FILESYSTEM, _filesystem(abi, root=root)
    yield Wall.NETWORK, Finding(Grade.ENFORCED, "its sockets are pairs; it can read the addresses of this machine")
    yield Wall.EGRESS, Finding(Grade.ABSENT, "with a network it reaches every host, and the ports of this machine")
    yield Wall.TEMPORARY, Finding(Grade.PARTIAL, "each file is bounded; all of them together are not")
    if abi < SCOPES_SINCE and not root:
        reason = "this kernel's Landlock lets it kill the keeper that ends what it leaves behind"
        yield Wall.ORPHANS, Finding(Grade.PARTIAL, reason)


def _filesystem(abi: int, *, root: bool) -> Finding:
    if abi < TRUNCATES_SINCE:
        return Finding(Grade.PARTIAL, "this kernel's Landlock does not stop files from being cut short")
    if not root:
        return Finding(Grade.PARTIAL, "modes, times and attributes of its user's files can be changed; contents cannot")
    return Finding(Grade.ENFORCED, "names and sizes of what exists elsewhere can be seen")


def _counted(abi: int, bounded: frozenset[Wall], *, root: bool) -> Iterator[tuple[Wall, Finding]]:
    if abi < SCOPES_SINCE and not root:
        reason = "this kernel's Landlock does not stop signals to other processes of its user"
        yield Wall.PROCESSES, Finding(Grade.PARTIAL, reason)
    elif not root and Wall.PROCESSES not in bounded:
        yield Wall.PROCESSES, Finding(Grade.PARTIAL, "counted together with all that its user runs")
    if Wall.MEMORY not in bounded:
        reason = "each process is bounded by itself, and shared memory not at all: no control group is writable"
        yield Wall.MEMORY, Finding(Grade.PARTIAL, reason)
    if Wall.CPU not in bounded:
        yield Wall.CPU, Finding(Grade.PARTIAL, "held to some of the processors, which others may use as well")
