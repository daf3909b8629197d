"""The one configuration document, `toolgate.yaml`: its settings, their defaults and what they mean."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)
from pydantic_core import PydanticCustomError

from toolgate.config.sandbox import Sandbox
from toolgate.config.values import (
    CallRate,
    Collector,
    Count,
    DatabaseUrl,
    Days,
    Drain,
    Idle,
    Listen,
    Name,
    Ratio,
    Room,
    Seconds,
    Share,
    Size,
    Start,
    TeamName,
    Text,
    Texts,
    Workers,
)  # fmt: skip
from toolgate.model.server import DEFAULT_TIMEOUT, GraphQl, Http, OpenApi, Stdio, Transport, flaw

__all__ = [
    "DEFAULT_SOURCES",
    "Access",
    "Document",
    "Health",
    "Life",
    "Limits",
    "Pick",
    "Record",
    "ServerEntry",
    "SourceEntry",
    "Team",
    "Tracing",
    "VirtualServer",
]

DEFAULT_SOURCES: Final = ("cursor", "claude-desktop", "claude-code", "vscode", "environment")

_EXPOSED: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_GLOB: Final = re.compile(r"[*?\[]")
# What makes an entry one of a kind, and what else goes with it.
_KINDS: Final = {
    "command": ("args", "env", "cwd", "sandbox"),
    "openapi": ("url", "headers", "auth", "include", "exclude"),
    "graphql": ("headers", "schema_file", "include", "exclude"),
    "url": ("headers",),
}


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True, serialize_by_alias=True
    )


class Limits(_Part):
    """How large messages may be, how many calls are let in, and how much is kept.

    Sizes are bytes, or text such as 4MiB; rates are text such as `100/minute`, or `100/minute burst 20` where not all
    may come at once.
    """

    request_bytes: Size = 4 * 2**20
    """The largest request that a client may send."""
    response_bytes: Size = 32 * 2**20
    """The largest answer that a server may give."""
    principal_rate: CallRate | None = None
    """How many calls each caller may make."""
    tool_rate: CallRate | None = None
    """How many calls each tool takes, of all callers together."""
    server_rate: CallRate | None = None
    """How many calls each server takes, of all callers together."""
    total_rate: CallRate | None = None
    """How many calls the gateway takes."""
    calls: Count = 10_000
    """How many calls may be under way. One that waits for a slow server costs little; more than these would be waiting
    for the gateway itself."""
    calls_per_principal: Count | None = None
    """How many of them may be one caller's."""
    cache_bytes: Room = 64 * 2**20
    """How much the results may take that are kept to be given again; 0 keeps none."""


class SourceEntry(_Part):
    """A place where servers are found: its name, or its name with options."""

    name: Literal["cursor", "claude-desktop", "claude-code", "vscode", "environment"]
    """Which source."""
    project: str | None = None
    """A folder whose project file is read too. Running what a repository names needs your word: this is it."""

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = {value: None}
        if isinstance(value, SourceEntry) or (isinstance(value, Mapping) and "name" in value):
            return value
        if not isinstance(value, Mapping) or len(value) != 1:
            raise ValueError("should be the name of a source, or one name with its options")
        [(name, options)] = value.items()
        if name not in DEFAULT_SOURCES:
            near = "".join(f"; did you mean `{match}`?" for match in get_close_matches(str(name), DEFAULT_SOURCES, 1))
            raise ValueError(f"there is no source `{name}` ({', '.join(DEFAULT_SOURCES)}){near}")
        if options is not None and not isinstance(options, Mapping):
            raise ValueError(f"the options of `{name}` should be a mapping")
        return {"name": name, **(options or {})}

    @model_validator(mode="after")
    def _has_project_files(self) -> Self:
        if self.project is not None and self.name in {"claude-desktop", "environment"}:
            raise ValueError(f"`{self.name}` has no project files")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
        schema = handler.resolve_ref_schema(handler(core_schema))
        options = {"type": "object", "additionalProperties": False, "properties": {"project": {"type": "string"}}}
        named = {name: {"anyOf": [{"type": "null"}, options]} for name in DEFAULT_SOURCES}
        return {
            "description": schema["description"],
            "anyOf": [
                {"enum": list(DEFAULT_SOURCES)},
                {"type": "object", "minProperties": 1, "maxProperties": 1, "properties": named,
                 "additionalProperties": False},
            ],
        }  # fmt: skip


class ServerEntry(_Part):
    """One server: `command` starts a child process, `url` reaches a server over Streamable HTTP, and `openapi` and
    `graphql` make one of a web API.

    `${NAME}` and `${NAME:-default}` in command, args, env, url, headers, openapi, graphql and auth are looked up in the
    environment and .env.
    """

    command: Text | None = Field(default=None, repr=False)
    """The program to start."""
    args: tuple[Text, ...] = Field(default=(), repr=False)
    """Its arguments."""
    env: Texts = Field(default_factory=dict, repr=False)
    """Environment variables for it. It gets these and a short safe list, not the gateway's own."""
    cwd: str | None = None
    """The folder that it starts in, relative to the folder of this file."""
    url: Text | None = Field(default=None, repr=False)
    """Where the server is reached: http:// or https://."""
    headers: Texts = Field(default_factory=dict, repr=False)
    """HTTP headers for every request to it."""
    openapi: Text | None = Field(default=None, repr=False)
    """The OpenAPI description of a web API, as a URL or the path of a file; `url` then is where the API itself is."""
    graphql: Text | None = Field(default=None, repr=False)
    """The URL of a GraphQL endpoint."""
    auth: Texts = Field(default_factory=dict, repr=False)
    """Credentials by the names that the OpenAPI description has for them: a key, a token, or `user:password`."""
    schema_file: str | None = None
    """The GraphQL schema, as a file, where the endpoint does not tell it."""
    include: tuple[str, ...] = ()
    """Which operations of a web API become tools: names, or globs over them and over `GET /path`. All, where empty."""
    exclude: tuple[str, ...] = ()
    """Which of them do not."""
    timeout: Seconds | None = None
    """Seconds that a call may take."""
    tool_timeouts: Mapping[str, Seconds] = Field(default_factory=dict)
    """Seconds that a call of one tool may take, by the tool's own name."""
    rate: CallRate | None = None
    """How many calls it takes, of all callers together."""
    tool_rates: Mapping[str, CallRate] = Field(default_factory=dict)
    """How many calls one tool takes, by the tool's own name."""
    cache: Mapping[str, Seconds] = Field(default_factory=dict)
    """Seconds that a tool's results are good for, by the tool's own name, or by a glob over those tools that say they
    only read and are idempotent. A name counts before a glob, then the first that fits. A caller gets what the
    same caller got."""
    start: Start | None = None
    """`boot`: with the gateway; `use`: with the first call."""
    idle: Idle | None = None
    """Seconds without a call after which its process is stopped, until the next call; or `never`."""
    sandbox: Sandbox | None = None
    """What it may use and reach, where that is not what `sandbox` says of all."""
    disabled: bool = False
    """Leaves this server out, and any of the same name that other sources have."""

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        given = {name for name in self.model_fields_set if getattr(self, name) is not None}
        kinds = [kind for kind in _KINDS if kind in given]
        if not kinds:
            if self.disabled:
                return self
            raise ValueError("needs a `command` to start or a `url` to reach, or an `openapi` or `graphql`")
        if others := given & _KINDS.keys() - {kinds[0], *_KINDS[kinds[0]]}:
            raise ValueError(f"has both a `{kinds[0]}` and a `{min(others)}`; keep one")
        if foreign := given & {name for names in _KINDS.values() for name in names} - {kinds[0], *_KINDS[kinds[0]]}:
            owners = [f"`{kind}`" for kind in reversed(_KINDS) if min(foreign) in _KINDS[kind]]
            raise ValueError(f"`{min(foreign)}` goes with {' or '.join(owners)}")
        transport = self.transport
        if found := flaw(transport) if transport is not None else None:
            raise PydanticCustomError("flaw", "{reason}", found._asdict())
        return self

    @property
    def transport(self) -> Transport | None:
        """None for an entry that only says `disabled`."""
        if self.command is not None:
            return Stdio(self.command, self.args, self.env, self.cwd)
        if self.openapi is not None:
            return OpenApi(self.openapi, self.url, self.headers, self.auth, self.include, self.exclude)
        if self.graphql is not None:
            return GraphQl(self.graphql, self.headers, self.schema_file, self.include, self.exclude)
        return Http(self.url, self.headers) if self.url is not None else None


class Pick(_Part):
    """A glob over the names on /mcp (`github__search_*`), or one name with another to show it under."""

    name: str = Field(min_length=1)
    """The name on /mcp, or a glob over the names."""
    shown_as: str | None = Field(default=None, alias="as")
    """The name that clients of the virtual server see."""

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _renames_one(self) -> Self:
        if self.shown_as is not None and _GLOB.search(self.name):
            raise ValueError("`as` renames one thing, so `name` cannot be a glob")
        if self.shown_as is not None and not _EXPOSED.fullmatch(self.shown_as):
            raise ValueError("`as` has letters, digits, - and _, at most 64 of them")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
        schema: dict[str, Any] = handler.resolve_ref_schema(handler(core_schema))
        return {"description": schema.pop("description"), "anyOf": [{"type": "string", "minLength": 1}, schema]}


class VirtualServer(_Part):
    """A bundle of things from several servers, served at /virtual/{name}/mcp."""

    tools: tuple[Pick, ...] = ()
    """Which tools."""
    prompts: tuple[Pick, ...] = ()
    """Which prompts."""
    resources: tuple[str, ...] = ()
    """Which resources and templates: globs over their URIs."""


class Team(_Part):
    """What a team may call."""

    allow: tuple[Annotated[str, Field(min_length=1)], ...]
    """Globs over the names on /mcp (`github__search_*`), or names of servers for all that they offer. A resource is
    named `server__` and its URI."""


class Access(_Part):
    """Who may call, and what."""

    anonymous: Literal["local", "never"] = "local"
    """`local`: programs on this machine need no key while the gateway listens on loopback. `never`: all need one."""
    allowed_hosts: tuple[str, ...] = ()
    """Names that this gateway is reached under, next to its own address (checked against the Host header)."""
    allowed_origins: tuple[str, ...] = ()
    """Web origins whose pages may call, such as https://app.example.com."""
    teams: Mapping[TeamName, Team] = Field(default_factory=dict)
    """What the keys of each team may call. A team that is not here may call nothing."""
    without_team: Literal["everything", "nothing"] = "everything"
    """What keys of no team may call."""
    install: Literal["nothing", "cards", "anything"] = "cards"
    """What callers with a key may install for themselves and their teams: `cards` lets them fill in cards, but not
    choose commands, addresses or paths; `anything` does. This machine's own user may install anything."""


class Tracing(_Part):
    """Where the traces of calls go, and how many of them are taken."""

    endpoint: Collector | None = None
    """An OpenTelemetry collector, or its /v1/traces, over OTLP/HTTP. Without one, trace contexts are only passed on."""
    ratio: Ratio = 0.01
    """The share of calls that is traced where the caller has not decided it."""
    headers: Texts = Field(default_factory=dict, repr=False)
    """HTTP headers for the collector. They may hold references to secrets."""


class Life(_Part):
    """When servers run, and how many at once. `idle` and the numbers are about child processes only."""

    start: Start = "boot"
    """`boot`: with the gateway; `use`: with the first call, once it is known what a server offers."""
    idle: Idle = 600.0
    """Seconds without a call after which a process is stopped, until the next call; or `never`."""
    processes: Count = 100
    """How many may run. Where more are needed, the one that was idle for longest makes room."""
    processes_per_owner: Count = 20
    """How many of them may be those of one owner of connections."""


class Health(_Part):
    """How servers are checked, and what is expected of calls."""

    interval: Seconds = 30.0
    """Seconds between two checks of a server."""
    availability: Share = 0.999
    """The share of calls that should be answered."""
    latency: Seconds = 0.1
    """Seconds that an answer should take at most; one of the bounds of `toolgate_call_seconds`, or the next above."""
    fast: Share = 0.99
    """The share of calls that should be answered within `latency`."""


class Record(_Part):
    """How long is kept what was called."""

    audit_days: Days = 30.0
    """Days that the record of a call is kept."""
    audit_rows: Count = 10_000_000
    """The most records of calls that are kept, of about 130 bytes each; the oldest go first."""
    usage_days: Days = 400.0
    """Days that usage is kept: what the calls of an hour add up to."""


class Document(_Part):
    """The whole of toolgate.yaml."""

    version: Literal[1]
    """The version of this format."""
    listen: Listen = "127.0.0.1:8765"
    """Address and port. On another address than loopback, callers need keys."""
    workers: Workers = 1
    """How many processes serve. Several share the address, the servers over stdio and the limits."""
    database: DatabaseUrl = Field(default="sqlite", repr=False)
    """`sqlite` (a file in the user's state folder), or an SQLAlchemy URL."""
    timeout: Seconds = DEFAULT_TIMEOUT
    """Seconds that a call may take where its server or tool has no other."""
    start_timeout: Seconds = 60.0
    """Seconds that a server may take to start."""
    drain: Drain = 10.0
    """Seconds that calls in flight are given when the gateway stops."""
    limits: Limits = Limits()
    """How large messages may be, and how many calls are let in."""
    sources: tuple[SourceEntry, ...] = tuple(SourceEntry(name=name) for name in DEFAULT_SOURCES)
    """Where servers are found besides `servers`. Earlier wins on a clash of names; the clash is reported."""
    servers: Mapping[Name, ServerEntry] = Field(default_factory=dict)
    """Servers by name. These win over all that the sources find."""
    sandbox: Sandbox = Sandbox()
    """What servers that are started here may use and reach."""
    virtual_servers: Mapping[Name, VirtualServer] = Field(default_factory=dict)
    """Virtual servers by name."""
    cards: str | None = None
    """A folder with cards of your own, one file a card; `cards` in the state folder where left out."""
    registry: str = "https://registry.modelcontextprotocol.io"
    """The MCP registry, or one with its API (v0.1), that `toolgate search` and `toolgate connect` ask."""
    access: Access = Access()
    """Who may call, and what."""
    tracing: Tracing = Tracing()
    """Where the traces of calls go."""
    record: Record = Record()
    """How long is kept what was called."""
    life: Life = Life()
    """When servers run, and how many at once."""
    health: Health = Health()
    """How servers are checked, and what is expected of calls."""

    @property
    def host(self) -> str:
        """The address to listen on, without brackets."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])
