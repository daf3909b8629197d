"""What was recorded: asked of the gateway that runs, else read from its database."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import click

from toolgate.cli.client import Api, Json
from toolgate.cli.running import find
from toolgate.cli.settings import Settings
from toolgate.errors import InvalidParams
from toolgate.recording.period import seconds_of
from toolgate.recording.report import Report
from toolgate.store.database import Database

__all__ = ["PERIOD", "asked", "bytes_text"]


class Period(click.ParamType[str]):
    """`today`, or `30m`, `12h`, `7d`, `2w`, `1y`."""

    name = "period"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value != "today":
            try:
                seconds_of(value)
            except InvalidParams as error:
                self.fail(error.hint, param, ctx)
        return str(value)


PERIOD: Final = Period()


def asked(
    what: str, query: dict[str, str], url: str | None, config: Path | None, read: Callable[[Report], Awaitable[Json]]
) -> Json:
    """`GET /api/v1/{what}`, or what `read` finds in the database where no gateway runs."""
    settings = Settings(config)
    endpoint = find(url, settings.env, settings.state)
    if endpoint is not None:
        given = {name: value for name, value in query.items() if value}
        return Api(endpoint).get(f"{what}?{urlencode(given)}" if given else what)
    return asyncio.run(_read(settings, read))


async def _read(settings: Settings, read: Callable[[Report], Awaitable[Json]]) -> Json:
    database = await Database.open(settings.document().database, settings.state)
    try:
        return await read(Report(database))
    finally:
        await database.close()


def bytes_text(size: int) -> str:
    """`512 B`, `1.2 kB`, `3.4 MB`"""
    if size < 1000:
        return f"{size} B"
    if size < 999_950:
        return f"{size / 1000:.1f} kB"
    return f"{size / 1e6:.1f} MB" if size < 999_950_000 else f"{size / 1e9:.1f} GB"
