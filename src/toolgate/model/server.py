"""A server: how to start or reach it, and what it needs."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from toolgate.model.profile import Profile
from toolgate.model.secretref import Template

__all__ = [
    "DEFAULT_TIMEOUT", "Flaw", "GraphQl", "Http", "OpenApi", "Provenance", "Server", "Stdio", "Transport", "flaw",
]  # fmt: skip

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
class OpenApi:
    """A web API whose operations become tools, as its OpenAPI description says."""

    description: Template
    """Its URL, or the path of a file."""
    url: Template | None = None
    """What the paths of the description begin with; None for what the description itself says."""
    headers: Mapping[str, Template] = field(default_factory=dict)
    auth: Mapping[str, Template] = field(default_factory=dict)
    """Credentials by the names of the description's `securitySchemes`."""
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GraphQl:
    """A GraphQL endpoint whose queries and mutations become tools."""

    url: Template
    headers: Mapping[str, Template] = field(default_factory=dict)
    schema_file: str | None = None
    """In the schema language, for an endpoint that does not tell its schema."""
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


Transport = Stdio | Http | OpenApi | GraphQl


@dataclass(frozen=True, slots=True)
class Server:
    """One definition. Two that compare equal need no restart when the configuration is read again."""

    name: str
    transport: Transport
    provenance: Provenance = field(compare=False)
    timeout: float = DEFAULT_TIMEOUT
    tool_timeouts: Mapping[str, float] = field(default_factory=dict)
    profile: Profile = Profile()
    owner: str = ""
    """Who it was installed for; empty for what the configuration and other sources define."""
    start: str = ""
    """`boot`: with the gateway; `use`: with the first call; empty for what the document says of all."""
    idle: float | None = None
    """Seconds without a call after which a child process is stopped; infinite for never, None for what the document
    says of all."""

    def timeout_of(self, tool: str) -> float:
        """Seconds that a call of this tool may take."""
        return self.tool_timeouts.get(tool, self.timeout)


class Flaw(NamedTuple):
    """`field` names the place (`env.TOKEN`); `reason` never quotes what stands there."""

    field: str
    reason: str


def flaw(transport: Transport) -> Flaw | None:
    """Why this can never be started or reached, whatever its references resolve to; None where nothing is known."""
    if isinstance(transport, Stdio):
        return next(_flaws_of_child(transport), None)
    return next(_flaws_of_description(transport) if isinstance(transport, OpenApi) else _flaws_of_url(transport), None)


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


def _flaws_of_url(http: Http | GraphQl) -> Iterator[Flaw]:
    if not http.url.references and not _is_web_address(http.url.text):
        yield Flaw("url" if isinstance(http, Http) else "graphql", "should be an http:// or https:// address")
    if isinstance(http, GraphQl) and http.schema_file is not None and not _is_path(http.schema_file):
        yield Flaw("schema_file", "should be the path of a file")
    yield from _flaws_of_headers(http.headers)


def _flaws_of_description(api: OpenApi) -> Iterator[Flaw]:
    written = api.description
    fits = _is_web_address if "://" in written.text else _is_path
    if not written.references and not fits(written.text):
        yield Flaw("openapi", "should be an http:// or https:// address, or the path of a file")
    if api.url is not None and not api.url.references and not _is_web_address(api.url.text):
        yield Flaw("url", "should be an http:// or https:// address")
    yield from _flaws_of_headers(api.headers)
    yield from (
        Flaw(f"auth.{name}", "has a character that no HTTP request can have")
        for name, value in api.auth.items()
        if not _passable(value.text) or "\r" in value.text or "\n" in value.text
    )


def _flaws_of_headers(headers: Mapping[str, Template]) -> Iterator[Flaw]:
    for name, value in headers.items():
        if not _FIELD_NAME.fullmatch(name):
            yield Flaw("headers", "has a name that no HTTP header can have")
        elif not _passable(value.text) or "\r" in value.text or "\n" in value.text:
            yield Flaw(f"headers.{name}", "has a character that no HTTP header can have")


def _is_path(text: str) -> bool:
    return bool(text.strip()) and _passable(text)


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and _passable(url)
    except ValueError:  # a port or an IPv6 address that is none
        return False


def _passable(text: str) -> bool:
    """Without NUL, and without halves of surrogate pairs, which JSON can spell and UTF-8 cannot."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)
