"""A gateway in small: starts what attacks under one runtime, and says what came through.

    python -m tests.attacks.runner RUNTIME attack|die SHOWN    (MARK in the environment)

The answer is a line of JSON: the runtime's report, what each attack said, and what escaped. With `die` it says when the
attack runs and then waits to be killed.
"""

import asyncio
import json
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.attacks.attack import ATTACKS
from tests.attacks.world import MIB, laid_out, told
from toolgate.model.profile import Mount, Profile
from toolgate.runtime import process
from toolgate.runtime.base import Launch, Running, Runtime
from toolgate.runtime.bubblewrap import Bubblewrap
from toolgate.runtime.landlock import Landlock
from toolgate.runtime.protections import Sandbox

__all__ = ["living"]

PATIENCE = 30.0
ENDED = 0.5  # seconds until the kernel has surely ended what was killed
SOURCE = """
import json, sys
sys.path.insert(0, "/" + json.loads(sys.argv[1])["program"])
from inside.loop import main
main()
"""
PROFILE = Profile(memory=128 * MIB, processes=40, tmp=4 * MIB)
CPUS = 0.25  # for the one that spins; everything else would take long with so little
SANDBOXES: Mapping[str, Callable[[Path], Sandbox]] = {"bubblewrap": Bubblewrap, "landlock": Landlock}


@dataclass
class Said:
    """A `runtime.base.Output`: what one start said, until it had done all or was ended."""

    done: asyncio.Future[dict[str, Any]] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    attacks: dict[str, dict[str, Any]] = field(default_factory=dict)

    def line(self, line: bytes) -> None:
        message = json.loads(line)
        if "done" in message:
            self.done.set_result(message["done"])
        else:
            self.attacks[message["attack"]] = message

    def oversized(self, head: bytes, tail: bytes, size: int) -> None:
        raise AssertionError("no attack says so much")

    def said(self, text: str) -> None:
        """Of no matter here."""

    def ended(self, reason: str) -> None:
        if not self.done.done():
            self.done.set_result({"ended": reason})


def living(name: str) -> list[int]:
    """Processes with this in their command line."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if name.encode() in Path("/proc", pid, "cmdline").read_bytes():
                found.append(int(pid))
        except OSError:
            continue
    return found


@dataclass
class Field:
    """One runtime in one world."""

    runtime: Runtime
    world: dict[str, Any]

    async def start(self, profile: Profile, owner: str = "attacker", **more: Any) -> tuple[Running, Said]:
        said = Said()
        arguments = ("-I", "-S", "-c", SOURCE, told({"attacks": [], **self.world, **more}))
        # What a person's session has; a sandbox gives its own.
        environment = {"PATH": os.defpath, "HOME": f"/{self.world['base']}", "TMPDIR": f"/{self.world['base']}"}
        given = replace(profile, mounts=(*profile.mounts, Mount(f"/{self.world['program']}")))
        launch = Launch(sys.executable, arguments, environment, "/", given, owner)
        return await self.runtime("server", launch, said, limit=MIB, redact=str), said

    async def attack(self, names: list[str], profile: Profile) -> dict[str, dict[str, Any]]:
        running, said = await self.start(profile, attacks=names)
        try:
            async with asyncio.timeout(PATIENCE):
                done = await said.done
        finally:
            await running.stop(0.5)
        ended = {"through": False, "detail": done.get("ended", "it said nothing")}
        return {name: said.attacks.get(name, {"attack": name, **ended}) for name in names}

    @asynccontextmanager
    async def tenant(self) -> AsyncIterator[None]:
        """Somebody else's server runs, with a secret in its home and its temporary folder."""
        profile = replace(PROFILE, persistent=True)
        running, said = await self.start(profile, "somebody else", plants=("HOME", "TMPDIR"))
        try:
            async with asyncio.timeout(PATIENCE):
                done = await said.done
            self.world["others"] += [done[name][1:] for name in ("HOME", "TMPDIR")]
            yield
        finally:
            await running.stop(0.5)

    async def escape(self) -> dict[str, Any]:
        """Whether what left its session was there, and whether it is there still when the server was stopped."""
        name = f"escaped-{secrets.token_hex(8)}"
        running, said = await self.start(PROFILE, escaped=name[::-1])
        async with asyncio.timeout(PATIENCE):
            done = await said.done
            while not living(name) and "ended" not in done:  # noqa: ASYNC110  # nothing tells when a stranger starts
                await asyncio.sleep(0.01)
        await running.stop(0.5)
        until = asyncio.get_running_loop().time() + ENDED
        while (left := living(name)) and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110  # nor when it ends
            await asyncio.sleep(0.01)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        return {"there": "ended" not in done, "left": len(left)}


def _runtime(name: str, state: Path) -> tuple[Runtime, Sandbox | None]:
    if name == "process":
        return process.start, None
    sandbox = SANDBOXES[name](state)
    return sandbox, sandbox


async def attack(name: str, world: dict[str, Any]) -> dict[str, Any]:
    runtime, sandbox = _runtime(name, Path(f"/{world['state']}"))
    field_ = Field(runtime, world)
    found: dict[str, Any] = {}
    async with field_.tenant():
        mounts = (Mount(f"/{world['mount']}", writable=True),)
        # Without walls only what does no harm.
        tried = [attack for attack in ATTACKS if sandbox or attack.control]
        many = [attack.name for attack in tried if not attack.alone]
        found |= await field_.attack(many, replace(PROFILE, mounts=mounts))
        for one in (attack.name for attack in tried if attack.alone):
            found |= await field_.attack([one], replace(PROFILE, cpus=CPUS) if one == "spin" else PROFILE)
    report = (await sandbox.probe()).items() if sandbox else ()
    escape = await field_.escape()
    if sandbox:
        await sandbox.close()
    return {"attacks": found, "report": {wall: asdict(finding) for wall, finding in report}, "escape": escape}


async def die(name: str, world: dict[str, Any], escaped: str) -> None:
    runtime, _ = _runtime(name, Path(f"/{world['state']}"))
    _, said = await Field(runtime, world).start(PROFILE, escaped=escaped)
    await said.done
    print("{}", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    runtime, what, shown = sys.argv[1:]
    with laid_out(os.environ["MARK"], shown, replace(PROFILE, cpus=CPUS)) as world:
        tempfile.tempdir = f"/{world['base']}"  # so that nothing else is left of one that is killed
        if what == "die":
            asyncio.run(die(runtime, world, shown[::-1]))
        print(json.dumps(asyncio.run(attack(runtime, world))), flush=True)


if __name__ == "__main__":
    main()
