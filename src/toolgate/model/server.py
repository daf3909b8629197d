"""A server: how to start or reach it, and what it needs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from toolgate.model.secretref import Template

__all__ = ["DEFAULT_TIMEOUT", "Http", "Provenance", "Server", "Stdio"]

DEFAULT_TIMEOUT: Final = 30.0  # seconds a call

_NOTHING: Final[Mapping[str, Template]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a definition was found: the source's name, the file, and the name that it has there."""

    source: str
    file: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Stdio:
    """A child process that speaks MCP over its standard streams."""

    command: Template
    args: tuple[Template, ...] = ()
    env: Mapping[str, Template] = field(default=_NOTHING)
    cwd: str | None = None


@dataclass(frozen=True, slots=True)
class Http:
    """A server behind a URL that speaks Streamable HTTP."""

    url: Template
    headers: Mapping[str, Template] = field(default=_NOTHING)


@dataclass(frozen=True, slots=True)
class Server:
    """One definition. Two that compare equal need no restart when the configuration is read again."""

    name: str
    transport: Stdio | Http
    provenance: Provenance = field(compare=False)
    timeout: float = DEFAULT_TIMEOUT
    tool_timeouts: Mapping[str, float] = field(default_factory=dict)

    def timeout_of(self, tool: str) -> float:
        """Seconds that a call of this tool may take."""
        return self.tool_timeouts.get(tool, self.timeout)
