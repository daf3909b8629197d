"""The servers of what was installed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from toolgate.config.model import Document, ServerEntry
from toolgate.model.connection import Connection
from toolgate.model.owner import EVERYBODY
from toolgate.model.server import Provenance, Server
from toolgate.model.vaultref import within
from toolgate.sources.base import Found, Problem
from toolgate.sources.document import DocumentServers

__all__ = ["SOURCE", "ConnectionServers", "scoped"]

SOURCE: Final = "connection"


@dataclass(frozen=True, slots=True)
class ConnectionServers:
    """What `document` says of all servers holds for these, but for mounts: what the operator shows its own servers is
    not for those of others."""

    connections: Iterable[Connection]
    home: Path
    document: Document
    name: str = SOURCE

    def read(self) -> Found:
        servers: list[Server] = []
        problems: list[Problem] = []
        for connection in self.connections:
            try:
                servers.append(self._server(connection))
            except ValidationError as error:
                # It was checked when it was installed, maybe by an older version.
                reason = f"is not understood by this version ({error.error_count()} mistakes); install it again"
                problems.append(Problem(SOURCE, 0, connection.server, reason))
        return Found(servers=tuple(servers), problems=tuple(problems))

    def _server(self, connection: Connection) -> Server:
        """Raises `ValidationError`."""
        name = connection.server
        entry = ServerEntry.model_validate(scoped(connection.definition, connection.owner))
        sandbox = self.document.sandbox
        if connection.owner != EVERYBODY:
            sandbox = sandbox.model_copy(update={"mounts": ()})
        file = self.home / SOURCE  # to whose folder relative paths would be
        reading = DocumentServers({name: entry}, file, self.home, self.document.timeout, sandbox=sandbox).read()
        [server] = reading.servers
        return replace(server, owner=connection.owner, provenance=Provenance(SOURCE, "", connection.name))


def scoped(definition: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """With what it calls `${vault:name}` as the owner's."""
    return {key: _scoped(value, owner) for key, value in definition.items()}


def _scoped(value: Any, owner: str) -> Any:
    if isinstance(value, str):
        return within(owner, value)
    if isinstance(value, Mapping):
        return {key: _scoped(member, owner) for key, member in value.items()}
    return [_scoped(item, owner) for item in value] if isinstance(value, list | tuple) else value
