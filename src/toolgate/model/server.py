"""A server: how to start or reach it, and what it needs."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from toolgate.model.secretref import Template

__all__ = ["DEFAULT_TIMEOUT", "Flaw", "Http", "Provenance", "Server", "Stdio", "flaw"]

DEFAULT_TIMEOUT: Final = 30.0  # seconds a call

_FIELD_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, 5.1


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
    env: Mapping[str, Template] = field(default_factory=dict)
    cwd: str | None = None


@dataclass(frozen=True, slots=True)
class Http:
    """A server behind a URL that speaks Streamable HTTP."""

    url: Template
    headers: Mapping[str, Template] = field(default_factory=dict)


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


class Flaw(NamedTuple):
    """`field` names the place (`env.TOKEN`); `reason` never quotes what stands there."""

    field: str
    reason: str


def flaw(transport: Stdio | Http) -> Flaw | None:
    """Why this can never be started or reached, whatever its references resolve to; None where nothing is known."""
    return next(_flaws_of_child(transport) if isinstance(transport, Stdio) else _flaws_of_url(transport), None)


def _flaws_of_child(child: Stdio) -> Iterator[Flaw]:
    if not child.command.text.strip():
        yield Flaw("command", "is empty")
    texts = {"command": child.command.text, "cwd": child.cwd or ""}
    texts |= {f"args[{at}]": argument.text for at, argument in enumerate(child.args)}
    for name, value in child.env.items():
        if not name or "=" in name or not _passable(name):
            yield Flaw("env", "has a name that no environment variable can have")
        texts[f"env.{name}"] = value.text
    yield from (
        Flaw(field, "has a character that no process can be given")
        for field, text in texts.items()
        if not _passable(text)
    )


def _flaws_of_url(http: Http) -> Iterator[Flaw]:
    if not http.url.references and not _is_web_address(http.url.text):
        yield Flaw("url", "should be an http:// or https:// address")
    for name, value in http.headers.items():
        if not _FIELD_NAME.fullmatch(name):
            yield Flaw("headers", "has a name that no HTTP header can have")
        elif not _passable(value.text) or "\r" in value.text or "\n" in value.text:
            yield Flaw(f"headers.{name}", "has a character that no HTTP header can have")


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and _passable(url)
    except ValueError:  # a port or an IPv6 address that is none
        return False


def _passable(text: str) -> bool:
    """Without NUL, and without halves of surrogate pairs, which JSON can spell and UTF-8 cannot."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)
