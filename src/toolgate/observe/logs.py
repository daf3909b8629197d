"""Logging: short lines on a terminal, one JSON object a line elsewhere. Every line of a request carries its id.

There are four kinds of lines, told apart by their logger (`KINDS`), and by their level where it is none of these: what
servers write, changes of servers' states, requests, and errors. A line never holds a secret: what quotes servers or
configuration is redacted where it is made, and `set_up` may be given a last look at each line.
"""

import logging
import sys
import time
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final, TextIO

import msgspec

__all__ = ["KINDS", "LEVELS", "MEMBERS", "JsonLines", "Redact", "ShortLines", "request_id", "set_up"]

Redact = Callable[[str], str]

LEVELS: Final = ("debug", "info", "warning", "error")

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that is being answered; empty outside of one."""

KINDS: Final = {
    "toolgate.runtime.stderr": "server",
    "toolgate.health": "state",
    "toolgate.upstream.supervisor": "state",
    "toolgate.calls": "request",
}
"""The kind of a line, by its logger. From WARNING on, lines of any other logger are of the kind `error`."""

# They tell at INFO what we say better ourselves, and at DEBUG what drowns all else.
_LOUD: Final = ("aiohttp", "aiosqlite", "alembic", "asyncio", "sqlalchemy", "watchfiles")


def set_up(level: str = "info", stream: TextIO | None = None, redact: Redact = str) -> None:
    """Send what is logged to `stream` (standard error). Calling it again takes the place of the earlier call.

    `level` is one of `LEVELS` and meant for Toolgate's own loggers; those of libraries speak from WARNING on. `redact`
    sees every line before it is written.
    """
    handler = logging.StreamHandler(stream) if stream is not None else _StandardError()
    handler.setFormatter(ShortLines(redact) if handler.stream.isatty() else JsonLines(redact))
    root = logging.getLogger()
    for earlier in [known for known in root.handlers if isinstance(known.formatter, ShortLines | JsonLines)]:
        root.removeHandler(earlier)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("toolgate").setLevel(level.upper())
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to what is standard error at that moment: a live display puts itself in its place for a while."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]  # the base class has a plain attribute
        return sys.stderr


class ShortLines(logging.Formatter):
    """`12:34:56 warning  upstream.pool  message  [request]`"""

    def __init__(self, redact: Redact = str) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%H:%M:%S", time.localtime(record.created))
        line = f"{moment} {record.levelname.lower():<7}  {_room(record.name)}  {record.getMessage()}"
        if request := request_id.get():
            line += f"  [{request}]"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return self._redact(line)


class _Line(msgspec.Struct, omit_defaults=True):
    time: str
    level: str
    logger: str
    message: str
    kind: str = ""
    request: str = ""
    principal: str = ""
    server: str = ""
    method: str = ""
    name: str = ""
    outcome: str = ""
    ms: float | None = None
    trace: str = ""
    state: str = ""
    cause: str = ""
    reason: str = ""
    error: str = ""


MEMBERS: Final = _Line.__struct_fields__
"""All members that a line may have, in their order."""

# What may be given as `extra`, by the member it becomes. A log record has a `name` of its own: the logger's.
_EXTRA: Final = {
    "principal": "principal",
    "server": "server",
    "method": "method",
    "name": "called",
    "outcome": "outcome",
    "trace": "trace",
    "state": "state",
    "cause": "cause",
    "reason": "reason",
}


class JsonLines(logging.Formatter):
    """One object a line: time (UTC, RFC 3339), level, logger and message; and where there are any, kind, request, error
    and what the line's `extra` has of principal, server, method, called (as `name`), outcome, ms, trace, state, cause
    and reason. Any other extra is left out."""

    def __init__(self, redact: Redact = str) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        line = _Line(
            time=datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            level=record.levelname.lower(),
            logger=record.name,
            message=record.getMessage(),
            kind=_kind(record),
            request=request_id.get(),
            ms=ms if isinstance(ms := getattr(record, "ms", None), int | float) else None,
            error=self.formatException(record.exc_info) if record.exc_info else "",
            **{member: str(getattr(record, extra, "")) for member, extra in _EXTRA.items()},
        )
        return self._redact(msgspec.json.encode(line).decode())


def _kind(record: logging.LogRecord) -> str:
    return KINDS.get(record.name) or ("error" if record.levelno >= logging.WARNING else "")


def _room(logger: str) -> str:
    return logger.removeprefix("toolgate.")
