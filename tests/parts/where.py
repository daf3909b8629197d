"""Where the real servers and clients stand that `make parts` installed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

__all__ = ["ROOT", "Parts"]

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Parts:
    """`servers` and `mcp1` are virtual environments: of servers on today's SDK, and of all that needs SDK 1.x."""

    npm: Path
    servers: Path
    mcp1: Path

    @classmethod
    def installed(cls) -> Self:
        """Raises `RuntimeError` where something is missing."""
        folders = [ROOT / ".parts" / name for name in ("npm", "servers", "mcp1")]
        if missing := [folder.name for folder in folders if not (folder / ".ready").exists()]:
            raise RuntimeError(
                f"the test parts {', '.join(missing)} are not installed: run `make parts`, or `make test`"
            )
        return cls(*folders)

    def node(self, package: str, script: str = "dist/index.js") -> list[str]:
        """The command that runs a package of npm."""
        return ["node", str(self.npm / "node_modules" / "@modelcontextprotocol" / package / script)]

    def server(self, name: str) -> list[str]:
        """The command of a server from PyPI."""
        environment = self.mcp1 if name == "mcp-server-sqlite" else self.servers
        return [str(environment / "bin" / name)]

    def python1(self, module: str) -> list[str]:
        """The command that runs a module of the tests on SDK 1.x; it wants ROOT on PYTHONPATH."""
        return [str(self.mcp1 / "bin" / "python"), "-m", module]
