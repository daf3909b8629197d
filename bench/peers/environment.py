"""Where another gateway is installed: `.parts/bench/NAME`, on demand."""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.child import Child, Unavailable
from bench.rig import ROOT
from bench.wire import Caller

__all__ = ["Peer", "environment", "version"]

_INSTALLS_WITHIN = 900.0  # seconds


@dataclass(frozen=True)
class Peer:
    """One that serves: how it is called, and under which name it shows the tool."""

    label: str
    caller: Caller
    tool: str
    child: Child
    version: str


async def environment(name: str, *packages: str) -> Path:
    """The folder of its programs. Raises `Unavailable` with what pip said last."""
    folder = ROOT / ".parts" / "bench" / name
    ready = folder / ".ready"
    if not ready.exists():
        print(f"installing {' '.join(packages)} into {folder.relative_to(ROOT)}", flush=True)
        await _run(sys.executable, "-m", "venv", str(folder))
        pip = (str(folder / "bin" / "pip"), "--disable-pip-version-check", "install", "--quiet", *packages)
        await _run(*pip)
        ready.touch()
    return folder / "bin"


async def version(programs: Path, package: str) -> str:
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return (await _run(str(programs / "python"), "-c", code)).strip()


async def _run(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(_INSTALLS_WITHIN):
            output, errors = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise Unavailable(f"{command[0]} took more than {_INSTALLS_WITHIN:.0f} s") from None
    if process.returncode:
        raise Unavailable(f"{' '.join(command)}: {_last(errors)}")
    return output.decode()


def _last(errors: bytes) -> str:
    lines = [line for line in errors.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"
