"""The servers that stand in `toolgate.yaml` itself."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from toolgate.config.model import ServerEntry
from toolgate.model.server import Provenance, Server, Stdio
from toolgate.sources.base import Found, Skipped
from toolgate.sources.entry import folder

__all__ = ["DocumentServers"]


@dataclass(frozen=True, slots=True)
class DocumentServers:
    """`timeout` is in seconds, for entries that have none of their own."""

    entries: Mapping[str, ServerEntry]
    path: Path
    home: Path
    timeout: float
    name: str = "toolgate.yaml"

    def read(self) -> Found:
        off = {name for name, entry in self.entries.items() if entry.disabled}
        return Found(
            servers=tuple(server for name, entry in self.entries.items() if (server := self._server(name, entry))),
            files=(self.path,),
            skipped=tuple(Skipped(name, str(self.path), "disabled there") for name in sorted(off)),
            withheld=frozenset(off),
        )

    def _server(self, name: str, entry: ServerEntry) -> Server | None:
        transport = entry.transport
        if entry.disabled or transport is None:
            return None
        if isinstance(transport, Stdio) and transport.cwd:
            transport = replace(transport, cwd=folder(transport.cwd, self.path.absolute().parent, self.home))
        origin = Provenance(self.name, str(self.path), name)
        return Server(name, transport, origin, entry.timeout or self.timeout, entry.tool_timeouts)
