"""What walls cost: a server's start, its calls and its memory inside each runtime, against none."""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.measure import added
from bench.pipes import EVERYTHING, SDK_SERVER
from bench.rig import ROOT, Rig
from bench.table import Row, Table, middle
from toolgate.model.profile import Profile
from toolgate.model.secretref import Template
from toolgate.model.server import Provenance, Server, Stdio
from toolgate.runtime.choose import Choice
from toolgate.runtime.local import local_runtimes
from toolgate.secrets.resolve import Resolver
from toolgate.upstream.launch import StdioLinks
from toolgate.upstream.relay import NoNews

CALLS = 400
BARE = "process"
_MODERN_STUB = ("python3", "-I", "-S", str(ROOT / "bench/stubs/lines.py"), "20", "modern")


@dataclass(frozen=True)
class Kind:
    name: str
    command: tuple[str, ...]


@dataclass
class Taken:
    """One value a round: ms until it has shaken hands, µs a request, MB (PSS) of all its processes."""

    start: list[float] = field(default_factory=list)
    call: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


async def run(rig: Rig) -> list[Table]:
    runtimes = local_runtimes(rig.room("sandbox"))
    try:
        reasons = {name: await runtimes.works(name) for name in runtimes.names}
        names = [name for name in (BARE, "landlock", "bubblewrap") if reasons.get(name) == ""]
        notes = [f"{name}: {reason}" for name, reason in reasons.items() if reason]
        tables = [await _table(rig, runtimes, kind, names) for kind in _kinds()]
    finally:
        await runtimes.close()
    tables[0].notes += notes
    return tables


def _kinds() -> list[Kind]:
    kinds = [Kind("a stub of Python", _MODERN_STUB)]
    if EVERYTHING.exists() and shutil.which("node"):
        kinds.append(Kind("npm server-everything", ("node", str(EVERYTHING))))
    if SDK_SERVER.exists():
        kinds.append(Kind("PyPI mcp-server-time", (str(SDK_SERVER),)))
    return kinds


async def _table(rig: Rig, runtimes: Choice, kind: Kind, names: list[str]) -> Table:
    links = StdioLinks(runtimes, Resolver(()).resolve, _environment, response_bytes=1 << 24, start_timeout=60)
    taken = {name: Taken() for name in names}
    for _ in range(rig.plan.starts + 1):
        for name in names:
            await _measure(links, _server(kind, name), taken[name])
    for values in taken.values():  # the first round finds its files on the disk, and the runtime out
        del values.start[0], values.call[0], values.memory[0]
    rows = []
    for label, unit, of in _MEASURES:
        bare = of(taken[BARE])
        rows.append(Row(f"{label}, no walls", bare, unit))
        rows += [Row(f"{label}, {name} adds", added(of(taken[name]), bare), unit) for name in names if name != BARE]
    return Table(kind.name, rows)


_MEASURES: list[tuple[str, str, Callable[[Taken], list[float]]]] = [
    ("start", "ms", lambda taken: taken.start),
    ("a request", "µs", lambda taken: taken.call),
    ("memory", "MB", lambda taken: taken.memory),
]


async def _measure(links: StdioLinks, server: Server, taken: Taken) -> None:
    before = set(psutil.Process().children(recursive=True))
    begun = time.perf_counter()
    link = await links(server, None, NoNews())
    taken.start.append((time.perf_counter() - begun) * 1e3)
    try:
        seconds = []
        for _ in range(CALLS):
            begun = time.perf_counter()
            await link.request("tools/list", b"{}", 10)
            seconds.append(time.perf_counter() - begun)
        taken.call.append(middle(seconds) * 1e6)
        born = [process for process in psutil.Process().children(recursive=True) if process not in before]
        taken.memory.append(sum(process.memory_full_info().pss for process in born) / 1e6)
    finally:
        await link.close(0)


def _server(kind: Kind, runtime: str) -> Server:
    command, *args = (Template(word) for word in kind.command)
    profile = Profile(runtime=runtime)
    return Server("measured", Stdio(command, tuple(args)), Provenance("bench"), profile=profile)


def _environment(own: object) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(Path.home())}
