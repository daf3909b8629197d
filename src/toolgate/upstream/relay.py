"""What a server sends besides answers, and whom it is for."""

from collections.abc import Iterator
from typing import Final, Protocol

import msgspec
from msgspec import Raw

from toolgate.errors import InvalidRequest, SlowClient
from toolgate.model.tool import Kind
from toolgate.pipeline.call import Call
from toolgate.protocol import envelope
from toolgate.protocol.envelope import Fields, Message
from toolgate.protocol.eras import LOG_LEVELS, Era

__all__ = [
    "ACKNOWLEDGED",
    "CANCELLED",
    "CHANGES",
    "LOG",
    "PROGRESS",
    "UPDATED",
    "News",
    "NoNews",
    "admits",
    "level_of",
    "messages",
    "own_number",
    "progress_for",
    "progress_token",
    "slow_client",
    "uri_of",
]


class News(Protocol):
    """What a link tells its owner besides answers. Called on the event loop; must not block."""

    def changed(self, kinds: frozenset[Kind]) -> None:
        """The server says that these lists read differently now."""
        ...

    def updated(self, uri: str, params: bytes) -> None:
        """The server says that a resource that was subscribed to has changed."""
        ...


UPDATED: Final = "notifications/resources/updated"
ACKNOWLEDGED: Final = "notifications/subscriptions/acknowledged"


class NoNews:
    """`News` for those who only look in."""

    def changed(self, kinds: frozenset[Kind]) -> None: ...

    def updated(self, uri: str, params: bytes) -> None: ...


PROGRESS: Final = "notifications/progress"
CANCELLED: Final = "notifications/cancelled"
LOG: Final = "notifications/message"
CHANGES: Final = {
    "notifications/tools/list_changed": frozenset({Kind.TOOLS}),
    "notifications/prompts/list_changed": frozenset({Kind.PROMPTS}),
    "notifications/resources/list_changed": frozenset({Kind.RESOURCES, Kind.TEMPLATES}),
}

_TOKEN: Final = "progressToken"  # noqa: S105  # no secret
_batch: Final = msgspec.json.Decoder(list[Raw])


class _Logged(msgspec.Struct):
    level: str = ""


class _About(msgspec.Struct):
    uri: str = ""


_logged: Final = msgspec.json.Decoder(_Logged)
_about: Final = msgspec.json.Decoder(_About)


def messages(data: bytes) -> Iterator[Message]:
    """One message, or those of a batch, which revision 2025-03-26 asks everyone to understand. Raises
    `ProtocolError`."""
    if data.lstrip()[:1] != b"[":
        yield envelope.parse(data)
        return
    try:
        batch = _batch.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidRequest("a batch that is not JSON") from None
    for raw in batch:
        yield envelope.parse(bytes(raw))


def progress_token(params: Fields) -> int | None:
    """Our own token in a progress notification. Raises `InvalidRequest`."""
    return own_number(bytes(params.get(_TOKEN, b"")))


def own_number(raw: bytes | None) -> int | None:
    """An id or token as we number them; None for anything else."""
    return int(raw) if raw and raw.isdigit() and len(raw) < 20 else None


def progress_for(call: Call, params: Fields) -> bytes | None:
    """The notification with the token that the client chose; None where it asked for none."""
    if (token := call.meta.get(_TOKEN)) is None:
        return None
    return envelope.notification(PROGRESS, envelope.dump({**params, _TOKEN: token}))


def uri_of(message: Message) -> str:
    """The resource that a notification is about; empty where it names none."""
    if message.params is msgspec.UNSET:
        return ""
    try:
        return _about.decode(message.params).uri
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def level_of(message: Message) -> str:
    if message.params is msgspec.UNSET:
        return ""
    try:
        return _logged.decode(message.params).level
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def admits(call: Call, level: str) -> bool:
    """Whether the client of this call wants log messages of this level. Of those that name none a modern one wants
    none (2026-07-28, Logging, Per-request log level), and to a legacy one its server sends what it thinks right
    (2025-11-25, Logging, Setting Log Level)."""
    if call.log_level is None:
        return call.era is Era.LEGACY
    if level not in LOG_LEVELS:
        return False
    return LOG_LEVELS.index(level) >= LOG_LEVELS.index(call.log_level)


def slow_client(call: Call) -> SlowClient:
    return SlowClient(
        f"the client does not read the progress of {call.method} {call.route.name!r} fast enough",
        hint="read the response stream, or ask for no progress",
        server=call.route.server,
    )
