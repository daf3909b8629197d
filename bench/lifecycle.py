"""`python -m bench.lifecycle`: servers started, stopped, crashed and killed while many call them; nothing may be left.

A gateway in this process, over real child processes. What it has of processes, descriptors, tasks and memory is
counted before, once all servers have run, and at the end; then a gateway in a process of its own is killed, and must
leave nothing.
"""

import argparse
import asyncio
import gc
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil
from msgspec import Raw

from toolgate.catalog.remembered import Remembered
from toolgate.catalog.snapshot import Route, Snapshot
from toolgate.config.model import Life
from toolgate.errors import CannotAsk, ServerUnavailable, ToolgateError
from toolgate.model.life import Wish
from toolgate.model.principal import LOCAL
from toolgate.model.profile import Profile
from toolgate.model.secretref import Secret, Template
from toolgate.model.server import Provenance, Server, Stdio
from toolgate.model.tool import Catalogue
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol.eras import Era
from toolgate.runtime.base import Runtime
from toolgate.runtime.cgroup import Cgroups
from toolgate.runtime.local import local_runtimes
from toolgate.upstream.base import Status
from toolgate.upstream.pool import Pool

__all__ = ["Outcome", "Trial", "killed"]

_CHILD: Final = Path(__file__).with_name("stubs") / "mortal.py"
_WISHES: Final = ("stop", "start", "restart", "crash", "kill", "start")
_SETTLE: Final = 30.0  # seconds for what was stopped to be gone
_READY: Final = b"ready"
_COUNTED: Final = ("groups", "processes", "descriptors", "tasks")


class _House:
    """Implements `Events` and `Memory`."""

    def __init__(self) -> None:
        self.known: dict[str, Remembered] = {}

    def catalogue(self, server: str, catalogue: Catalogue) -> None: ...

    def updated(self, server: str) -> None: ...

    def state(self, status: Status) -> None: ...

    def recall(self, fingerprint: str) -> Remembered | None:
        return self.known.get(fingerprint)

    def remember(self, fingerprint: str, remembered: Remembered) -> None:
        self.known[fingerprint] = remembered


class _Silent:
    """Implements `Channel`."""

    def send(self, message: bytes) -> bool:
        return True

    async def ask(self, method: str, params: bytes | None) -> Reply:
        raise CannotAsk("nobody is asked")


@dataclass(frozen=True, slots=True)
class Had:
    """What a process has at a moment; `groups` are control groups of its servers, `memory` is in MiB."""

    groups: int
    processes: int
    descriptors: int
    tasks: int
    memory: float

    @classmethod
    def now(cls) -> "Had":
        gc.collect()
        own = psutil.Process()
        groups = [folder.glob(f"toolgate-{own.pid}-*") for folder in set(Cgroups.found().folders.values())]
        return cls(
            sum(len(list(found)) for found in groups),
            len(own.children(recursive=True)),
            own.num_fds(),
            len(asyncio.all_tasks()),
            own.memory_info().rss / 2**20,
        )


@dataclass(slots=True)
class Outcome:
    before: Had
    warm: Had
    after: Had
    seconds: float
    operations: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)

    def wrong(self) -> list[str]:
        """What did not end where it began."""
        before, after = self.before, self.after
        found = [
            f"{name}: {getattr(before, name)} before, {getattr(after, name)} after"
            for name in _COUNTED
            if getattr(after, name) > getattr(before, name)
        ]
        if after.memory > self.warm.memory * 1.2 + 8:
            found.append(f"memory: {self.warm.memory:.0f} MiB warm, {after.memory:.0f} MiB after")
        if unknown := [name for name in self.calls if name.startswith("!")]:
            found.append(f"calls ended otherwise than they may: {unknown}")
        return found


class Trial:
    """`servers` of them, `callers` who call one after the other, and `operations` on servers drawn by `seed`."""

    def __init__(
        self, operations: int, servers: int = 50, callers: int = 200, seed: int = 1, runtime: str = "process"
    ) -> None:
        self._runtime = runtime
        self._operations = operations
        self._servers = servers
        self._callers = callers
        self._dice = random.Random(seed)  # noqa: S311  # the same trouble each time
        self._done = asyncio.Event()

    async def run(self) -> Outcome:
        before = Had.now()
        began = time.monotonic()
        folder = tempfile.TemporaryDirectory(prefix="lifecycle-")
        runtimes = local_runtimes(Path(folder.name))
        pool = a_pool(Life(idle=1.0, processes=max(2, self._servers * 4 // 5)), runtimes)
        outcome = Outcome(before, before, before, 0)
        try:
            await pool.apply(a_server(f"s{number}", self._runtime) for number in range(self._servers))
            await pool.settled(120)
            outcome.warm = Had.now()
            callers = [asyncio.create_task(self._call(pool, outcome.calls, number)) for number in range(self._callers)]
            await self._trouble(pool, outcome.operations)
            self._done.set()
            await asyncio.gather(*callers)
        finally:
            await pool.close(1)
            await runtimes.close()
            folder.cleanup()
        await _gone(before)
        outcome.after = Had.now()
        outcome.seconds = time.monotonic() - began
        return outcome

    async def _call(self, pool: Pool, calls: Counter[str], number: int) -> None:
        dice = random.Random(number)  # noqa: S311
        while not self._done.is_set():
            calls[await called(pool, f"s{dice.randrange(self._servers)}", "echo")] += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._done.wait(), 0.05 + dice.random() / 10)

    async def _trouble(self, pool: Pool, operations: Counter[str]) -> None:
        """A few at a time, each on a server of its own."""
        waiting = iter(range(self._operations))

        async def one_after_another() -> None:
            for _ in waiting:
                wish, name = self._dice.choice(_WISHES), f"s{self._dice.randrange(self._servers)}"
                operations[wish] += 1
                await _done_to(pool, name, wish)

        await asyncio.gather(*(one_after_another() for _ in range(8)))


async def _done_to(pool: Pool, name: str, wish: str) -> None:
    if wish == "crash":
        await called(pool, name, "die")
    elif wish == "kill":
        link: Any = getattr(getattr(pool.get(name), "_first", None), "link", None)
        if link is not None:
            with suppress(ProcessLookupError):
                os.kill(link._process.pid, signal.SIGKILL)
    else:
        await pool.order(name, Wish(wish), "the trial")


async def called(pool: Pool, server: str, tool: str) -> str:
    """What the server answered, or the code of the error; with a `!` before what should never come."""
    params = {"name": Raw(msgspec.json.encode(tool)), "arguments": Raw(b"{}")}
    call = Call(
        "1", LOCAL, "tools/call", params, {}, Era.LEGACY, "2025-11-25", Route(server, tool), Snapshot(0, {}), _Silent(),
        60.0,
    )  # fmt: skip
    try:
        reply = await pool.send(call)
    except ServerUnavailable as error:
        return error.code
    except ToolgateError as error:
        return f"!{error.code}"
    answer: Mapping[str, Any] = msgspec.json.decode(reply.payload)
    return "!error" if reply.is_error else str(answer["content"][0]["text"])


async def _gone(before: Had) -> None:
    """The loop closes transports in its next rounds, and tells nobody."""
    until = time.monotonic() + _SETTLE
    while time.monotonic() < until:
        now = Had.now()
        if not any(getattr(now, name) > getattr(before, name) for name in _COUNTED):
            return
        await asyncio.sleep(0.1)


def a_pool(life: Life, runtime: Runtime) -> Pool:
    async def resolve(template: Template) -> Secret:
        return Secret(template.text)

    house = _House()
    return Pool(
        resolve, house, house, response_bytes=2**20, start_timeout=60,
        environment=lambda own: {"PATH": os.environ["PATH"], **own}, life=life, runtime=runtime,
    )  # fmt: skip


def a_server(name: str, runtime: str) -> Server:
    child = Stdio(Template(sys.executable), (Template("-IS"), Template(str(_CHILD))))
    return Server(name, child, Provenance("trial"), profile=Profile(runtime=runtime))


async def killed(servers: int, runtime: str = "process") -> list[int]:
    """The processes that outlive a gateway that is killed with SIGKILL."""
    gateway = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.lifecycle",
        "--victim",
        str(servers),
        "--runtime",
        runtime,
        stdout=asyncio.subprocess.PIPE,
    )
    assert gateway.stdout is not None
    async with asyncio.timeout(120):
        await gateway.stdout.readuntil(_READY)
    children = psutil.Process(gateway.pid).children(recursive=True)
    gateway.kill()
    await gateway.wait()
    _, alive = await asyncio.to_thread(psutil.wait_procs, children, 5)
    return [] if len(children) >= servers and not alive else [process.pid for process in alive] or [0]


async def _victim(servers: int, runtime: str) -> None:
    pool = a_pool(Life(), local_runtimes(Path(tempfile.mkdtemp(prefix="lifecycle-"))))
    await pool.apply(a_server(f"s{number}", runtime) for number in range(servers))
    await pool.settled(120)
    sys.stdout.write(_READY.decode())
    sys.stdout.flush()
    await asyncio.get_running_loop().create_future()


async def _main(options: argparse.Namespace) -> int:
    if options.victim:
        await _victim(options.victim, options.runtime)
    outcome = await Trial(options.operations, options.servers, options.callers, options.seed, options.runtime).run()
    print(f"{sum(outcome.operations.values())} operations in {outcome.seconds:.0f} s: {dict(outcome.operations)}")
    print(f"{sum(outcome.calls.values())} calls: {dict(outcome.calls)}")
    for name in ("before", "warm", "after"):
        print(f"{name:<7}{getattr(outcome, name)}")
    left = await killed(options.servers, options.runtime)
    wrong = [*outcome.wrong(), *([f"after a kill of the gateway: {left}"] if left else [])]
    print("\n".join(wrong) or "nothing is left")
    return bool(wrong)


def _options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench.lifecycle", description=__doc__)
    parser.add_argument("--operations", type=int, default=10_000)
    parser.add_argument("--servers", type=int, default=50)
    parser.add_argument("--callers", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runtime", default="process", help="what the servers run in")
    parser.add_argument("--victim", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(asyncio.run(_main(_options())))
