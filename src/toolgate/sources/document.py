"""The servers that stand in `toolgate.yaml` itself."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from toolgate.config.model import ServerEntry
from toolgate.config.sandbox import Sandbox
from toolgate.model.profile import Profile
from toolgate.model.secretref import Template
from toolgate.model.server import GraphQl, OpenApi, Provenance, Server, Stdio, Transport
from toolgate.sources.base import Found, Skipped
from toolgate.sources.card_profiles import widened
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
    sandbox: Sandbox = Sandbox()
    """What holds for entries that say nothing else."""
    widen: bool = False
    """Whether such entries get what a card of the same package has. Only where the words are the operator's own: a
    card's mounts follow the arguments."""

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
        origin = Provenance(self.name, str(self.path), name)
        return Server(
            name, self._placed(transport), origin, entry.timeout or self.timeout, entry.tool_timeouts,
            start=entry.start or "", idle=math.inf if entry.idle == "never" else entry.idle,
            profile=self._profile(entry, transport),
        )  # fmt: skip

    def _profile(self, entry: ServerEntry, transport: Transport) -> Profile:
        if not isinstance(transport, Stdio):
            return Profile()
        profile = self.sandbox.profile(entry.sandbox, self._path)
        return widened(profile, transport) if self.widen and entry.sandbox is None else profile

    def _placed(self, transport: Transport) -> Transport:
        """Paths are relative to the folder of the file that they stand in."""
        if isinstance(transport, Stdio) and transport.cwd:
            return replace(transport, cwd=self._path(transport.cwd))
        if isinstance(transport, OpenApi) and "://" not in transport.description.text:
            return replace(transport, description=Template(self._path(transport.description.text)))
        if isinstance(transport, GraphQl) and transport.schema_file:
            return replace(transport, schema_file=self._path(transport.schema_file))
        return transport

    def _path(self, text: str) -> str:
        return folder(text, self.path.absolute().parent, self.home)
