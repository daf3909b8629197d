"""Logging: short lines on a terminal, one JSON object a line elsewhere. Every line of a request carries its id."""

import logging
import sys
import time
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final, TextIO

import msgspec

__all__ = ["LEVELS", "JsonLines", "ShortLines", "request_id", "set_up"]

LEVELS: Final = ("debug", "info", "warning", "error")

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that is being answered; empty outside of one."""

# They tell at INFO what we say better ourselves, and at DEBUG what drowns all else.
_LOUD: Final = ("aiohttp", "aiosqlite", "alembic", "asyncio", "sqlalchemy", "uvicorn", "watchfiles")


def set_up(level: str = "info", stream: TextIO | None = None) -> None:
    """Send what is logged to `stream` (standard error). Calling it again takes the place of the earlier call.

    `level` is one of `LEVELS` and meant for Toolgate's own loggers; those of libraries speak from WARNING on.
    """
    handler = logging.StreamHandler(stream) if stream is not None else _StandardError()
    handler.setFormatter(ShortLines() if handler.stream.isatty() else JsonLines())
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

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%H:%M:%S", time.localtime(record.created))
        line = f"{moment} {record.levelname.lower():<7}  {_room(record.name)}  {record.getMessage()}"
        if request := request_id.get():
            line += f"  [{request}]"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class _Line(msgspec.Struct, omit_defaults=True):
    time: str
    level: str
    logger: str
    message: str
    request: str = ""
    error: str = ""


class JsonLines(logging.Formatter):
    """One object a line: time (UTC, RFC 3339), level, logger, message, and request and error where there are any."""

    def format(self, record: logging.LogRecord) -> str:
        line = _Line(
            time=datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            level=record.levelname.lower(),
            logger=record.name,
            message=record.getMessage(),
            request=request_id.get(),
            error=self.formatException(record.exc_info) if record.exc_info else "",
        )
        return msgspec.json.encode(line).decode()


def _room(logger: str) -> str:
    return logger.removeprefix("toolgate.")
