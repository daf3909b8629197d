"""What requests to the API say, and what connections look like in its answers.

The models are built when they are first used, and what is said of their fields is read for the OpenAPI document alone:
both would cost 20 ms of each start.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from toolgate.errors import InvalidParams

__all__ = [
    "CardList", "Connected", "ConnectionList", "Deployed", "Deployment", "Fault", "Healthy", "Install", "Operation",
    "Overall", "SaveCard", "Tested", "ToolList", "Update", "Values", "mistakes", "parsed",
]  # fmt: skip

Values = Mapping[str, str | tuple[str, ...]]

Body = TypeVar("Body", bound=BaseModel)


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)


class Install(_Asked):
    """A server for an owner, from a card or as a definition of its own."""

    card: str | None = Field(default=None, max_length=100)
    """The name of a card."""
    server: Mapping[str, Any] | None = Field(default=None, repr=False)
    """Instead of a card: an entry of `servers` in toolgate.yaml."""
    name: str | None = Field(default=None, max_length=32)
    """What it is to be called; the card's name where there is none."""
    values: Values = Field(default_factory=dict, repr=False)
    """Answers to what the card asks for. Secrets are encrypted at once; references such as ${vault:NAME} stay."""
    title: str = Field(default="", max_length=100)
    """What people see."""
    team: str | None = None
    """The team that it is for; the caller where there is none."""
    owner: str | None = None
    """For whom, where this machine's own user installs for others: `user:NAME` or `team:NAME`."""


class Update(_Asked):
    """What is left out stays as it is."""

    title: str | None = Field(default=None, max_length=100)
    """What people see."""
    values: Values | None = Field(default=None, repr=False)
    """Some other answers to what its card asks for."""
    server: Mapping[str, Any] | None = Field(default=None, repr=False)
    """The whole of another definition, for one without a card."""


class SaveCard(_Asked):
    """A card that people add; it takes the place of the owner's earlier one of that name."""

    card: Mapping[str, Any] = Field(repr=False)
    """The card."""
    team: str | None = None
    """The team that it is for; the caller where there is none."""
    owner: str | None = None
    """For whom, where this machine's own user adds it for others."""


class Connected(_Told):
    """A connection. Times are seconds since the epoch."""

    id: str
    owner: str
    """`user:NAME`, `team:NAME`, or empty for one that is everybody's."""
    name: str
    server: str
    """The name of its server, for `/servers/{server}/mcp` and for all that the API says of servers."""
    card: str
    """Where it was installed from, or empty."""
    title: str
    state: str
    """`pending`, `deploying`, `running`, `stopped` or `error`."""
    reason: str
    """Why it is in that state, in words."""
    hint: str
    """What to do about it."""
    tools: tuple[str, ...]
    """The names of the tools that it offered last."""
    inputs: Mapping[str, Any]
    """The answers to what its card asks for; secrets are masked."""
    definition: Mapping[str, Any]
    """How it is started or reached; what may be secret is masked."""
    last_used: float | None
    usage_count: int
    created_at: float
    created_by: str
    updated_at: float
    updated_by: str


class ConnectionList(_Told):
    """In the order in which they were made."""

    connections: tuple[Connected, ...]


class Fault(_Told):
    """What went wrong."""

    code: str
    message: str
    hint: str


class Tested(_Told):
    """What one start of its own showed."""

    ok: bool
    took_ms: float
    tools: tuple[str, ...] = ()
    error: Fault | None = None


class ToolList(_Told):
    """As its server lists them."""

    tools: tuple[Mapping[str, Any], ...]


class Healthy(_Told):
    """How a connection is doing."""

    id: str
    name: str
    server: str
    state: str
    since: float | None
    reason: str
    hint: str
    response_ms: float | None
    """How long answers took lately."""
    last_error: str
    retry_at: float | None
    tools: int


class Overall(_Told):
    """How all connections of an owner are doing."""

    owner: str | None
    status: str
    """`healthy`, `starting`, `degraded` where one cannot be used, `unhealthy` where none can, `empty`."""
    states: Mapping[str, int]
    """How many are in each state."""
    connections: tuple[Healthy, ...]


class CardList(_Told):
    """By name."""

    cards: tuple[Mapping[str, Any], ...]


class Deployment(_Asked):
    """`install`: a card for an account."""

    mcp_server_id: str = Field(max_length=100)
    """The name of a card."""
    account_id: str | None = None
    """Whom it is for; the caller where there is none."""
    title: str = Field(default="", max_length=100)
    """What people see."""
    provided_credential_schema: Values = Field(default_factory=dict, repr=False)
    """Answers to what the card asks for."""


class Operation(_Asked):
    """All others: which connection, by its id, or by card and account."""

    connection_id: str | None = None
    mcp_server_id: str | None = None
    account_id: str | None = None
    title: str | None = Field(default=None, max_length=100)
    """With `update`."""
    provided_credential_schema: Values | None = Field(default=None, repr=False)
    """With `update`: some other answers."""


class Deployed(_Told):
    """A connection, in the words of accounts."""

    connection_id: str
    mcp_server_id: str
    account_id: str
    title: str
    status: str
    """`mcpPending`, `mcpDeploying`, `mcpRunning`, `mcpStopped` or `mcpError`."""
    error: str
    tools_available: tuple[str, ...]
    provided_credential_schema: Mapping[str, Any]
    """Secrets are masked."""


def parsed(model: type[Body], body: bytes) -> Body:
    """Raises `InvalidParams`, which quotes no value."""
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as error:
        raise InvalidParams(mistakes(error), hint="see GET /api/v1/openapi.json") from None


def mistakes(error: ValidationError, most: int = 5) -> str:
    """Which fields are wrong and why, without what stood there."""
    found = error.errors(include_input=False, include_context=False, include_url=False)
    told = [f"{'.'.join(map(str, one['loc'])) or 'the body'}: {_reason(one['msg'])}" for one in found[:most]]
    return "; ".join(told) + (f"; and {len(found) - most} more" if len(found) > most else "")


def _reason(message: str) -> str:
    return message.removeprefix("Value error, ")
