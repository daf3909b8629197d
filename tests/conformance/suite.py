"""The official conformance suite: all that it asks of one server at one revision, or one question to a client."""

import asyncio
import json
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from tests.parts.where import ROOT

__all__ = ["CLIENT_SCENARIOS", "REVISIONS", "SCENARIOS", "Fault", "Outcome", "Suite"]

SCENARIOS: Final[Mapping[str, int]] = {"2025-03-26": 1, "2025-06-18": 27, "2025-11-25": 33, "2026-07-28": 40}
"""How many scenarios apply to each revision. Scenarios count, not checks: some checks pass on a server of nothing but
404s."""
REVISIONS: Final = tuple(SCENARIOS)
CLIENT_SCENARIOS: Final[Mapping[str, Sequence[str]]] = {
    "2025-11-25": (
        "elicitation-sep1034-client-defaults",
        "initialize",
        "json-schema-2020-12-preservation",
        "sse-retry",
        "tools_call",
    ),
    "2026-07-28": (
        "http-custom-headers",
        "http-invalid-tool-headers",
        "http-standard-headers",
        "json-schema-2020-12-preservation",
        "json-schema-ref-no-deref",
        "request-metadata",
        "sep-2322-client-request-state",
        "tools_call",
    ),
}
"""What the suite asks of clients, without authorisation and extensions."""

_FOLDER: Final = re.compile(r"(?:server-)?(?P<scenario>.+)-\d{4}-\d\d-\d\dT[\d-]+Z")
_SCENARIO_ENDS_WITHIN: Final = 10  # seconds; the slowest takes two
_CLIENT_ENDS_WITHIN: Final = 20  # seconds, with the start of a gateway
_SUITE_ENDS_WITHIN: Final = 300.0


@dataclass(frozen=True)
class Fault:
    """A check that did not hold. The suite counts a warning, which is a SHOULD, as one."""

    check: str
    message: str

    def __str__(self) -> str:
        return f"{self.check}: {self.message}"


Outcome = Mapping[str, Sequence[Fault]]
"""The faults by scenario, of all scenarios that ran; none where a scenario passed."""


@dataclass(frozen=True)
class Suite:
    node: str
    script: Path

    @classmethod
    def installed(cls) -> Self:
        """Raises `RuntimeError` where it is not."""
        modules = ROOT / ".parts" / "conformance" / "node_modules"
        script = modules / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
        if not script.exists():
            raise RuntimeError("the conformance suite is not installed: run `make conformance`, or `make test`")
        brought = next(modules.glob("node-*/bin/node"), None)
        # npm brings none for some machines; the suite says itself when the one on the PATH is too old for it
        node = str(brought) if brought else shutil.which("node")
        if node is None:
            raise RuntimeError("the conformance suite needs Node.js 22 or newer, and npm brought none for this machine")
        return cls(node, script)

    async def run(self, url: str, revision: str) -> Outcome:
        """Judge a server by every scenario of the revision."""
        with tempfile.TemporaryDirectory() as folder:
            words = ("server", "--url", url, "--suite", "all", "--timeout", str(_SCENARIO_ENDS_WITHIN * 1000))
            _, output = await self._command(revision, folder, *words)
            outcome = {match["scenario"]: faults for match, faults in _read(folder)}
        if len(outcome) != SCENARIOS[revision]:
            raise RuntimeError(
                f"{len(outcome)} instead of {SCENARIOS[revision]} scenarios of {revision} ran:\n{output}"
            )
        return dict(sorted(outcome.items()))

    async def judge(self, module: str, scenario: str, revision: str) -> Outcome:
        """Judge a client, which is a module that is run with a URL, by one scenario."""
        with tempfile.TemporaryDirectory() as folder:
            command = f"{shlex.quote(sys.executable)} -m {module}"
            words = ("client", "--command", command, "--scenario", scenario)
            code, output = await self._command(revision, folder, *words, "--timeout", str(_CLIENT_ENDS_WITHIN * 1000))
            faults = [fault for _, found in _read(folder) for fault in found]
        if code and not faults:
            faults = [Fault("client", output)]
        return {scenario: faults}

    async def _command(self, revision: str, folder: str, *words: str) -> tuple[int, str]:
        """The exit code, and the end of what it said."""
        process = await asyncio.create_subprocess_exec(
            *(self.node, str(self.script), *words, "--spec-version", revision, "--output-dir", folder),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=ROOT,
        )
        try:
            async with asyncio.timeout(_SUITE_ENDS_WITHIN):
                output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return process.returncode or 0, output.decode(errors="replace")[-2_000:]


def _read(folder: str) -> Iterator[tuple[re.Match[str], list[Fault]]]:
    for file in Path(folder).glob("*/checks.json"):
        match = _FOLDER.fullmatch(file.parent.name)
        assert match is not None, file
        checks = json.loads(file.read_text())
        yield (
            match,
            [
                Fault(check["id"], check.get("errorMessage") or check["description"])
                for check in checks
                if check["status"] in {"FAILURE", "WARNING"}
            ],
        )
