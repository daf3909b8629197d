"""All tests, two processes at a time: most tests wait for servers, and a machine has more than one processor.

`python -m tests.run`; with arguments it is `pytest --cov` with these, in one process.
"""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

__all__ = ["ALONE", "FIRST", "main"]

ROOT: Final = Path(__file__).parents[1]
FIRST: Final = ("control", "inbound", "real", "transparency", "upstream", "workers")
"""Folders that take about as long as all others together."""
ALONE: Final = ("bench", "conformance")
"""Those that compare times, and those that were seen to fail at their own fixture server beside other work."""


def main(arguments: list[str]) -> int:
    """The worst exit code."""
    # What a shell starts in the background ignores it, and so would programs that tests send it to.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if arguments:
        return subprocess.run(_pytest("--cov-report=term", *arguments), cwd=ROOT, check=False).returncode
    for left in ROOT.glob(".coverage*"):
        left.unlink()
    codes = [*asyncio.run(_side_by_side()), _alone()]
    data = [str(file) for file in ROOT.glob(".coverage-*")]
    subprocess.run([sys.executable, "-m", "coverage", "combine", "--quiet", *data], cwd=ROOT, check=False)
    subprocess.run([sys.executable, "-m", "coverage", "report"], cwd=ROOT, check=False)
    return max(codes)


async def _side_by_side() -> tuple[int, int]:
    """The output of the second follows that of the first."""
    apart = {f"--ignore=tests/{name}" for name in (*FIRST, *ALONE)}
    with tempfile.TemporaryFile() as kept:
        second = await asyncio.create_subprocess_exec(
            *_pytest("--cov-report=", *sorted(apart), "tests"),
            cwd=ROOT,
            env=_environment("second"),
            stdout=kept,
            stderr=kept,
        )
        first = await asyncio.create_subprocess_exec(
            *_pytest("--cov-report=", *(f"tests/{name}" for name in FIRST)), cwd=ROOT, env=_environment("first")
        )
        codes = await first.wait(), await second.wait()
        kept.seek(0)
        sys.stdout.write(kept.read().decode("utf-8", "replace"))
        sys.stdout.flush()
    return codes


def _alone() -> int:
    command = _pytest("--cov-report=", *(f"tests/{name}" for name in ALONE))
    return subprocess.run(command, cwd=ROOT, env=_environment("alone"), check=False).returncode


def _pytest(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--cov", *arguments]


def _environment(name: str) -> dict[str, str]:
    return {**os.environ, "COVERAGE_FILE": str(ROOT / f".coverage-{name}")}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
