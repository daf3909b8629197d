"""`toolgate keys`."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from toolgate.cli.options import config_option, json_option
from toolgate.cli.output import print_json, print_note, print_table
from toolgate.cli.settings import Settings
from toolgate.identity import api_keys
from toolgate.store.database import Database
from toolgate.store.keys import ApiKey, Keys

__all__ = ["keys"]

_T = TypeVar("_T")

_SPAN: Final = re.compile(r"(\d+)([hdwy])")
_SECONDS: Final = {"h": 3600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}


class Span(click.ParamType[float]):
    """`12h`, `90d`, `2w`, `1y` → seconds."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        match = _SPAN.fullmatch(str(value))
        if match is None or not int(match[1]):
            self.fail("write a number and h, d, w or y, e.g. 90d", param, ctx)
        return float(int(match[1]) * _SECONDS[match[2]])


@click.group(epilog="Example:  toolgate keys create laptop --expires 90d")
def keys() -> None:
    """Create, list and revoke API keys."""


@keys.command(
    epilog="Example:  toolgate keys create laptop --expires 90d\n\nClients send it as `Authorization: Bearer tg_…`."
)
@click.argument("name")
@click.option("--expires", type=Span(), metavar="SPAN", help="How long it works: 12h, 90d, 2w, 1y (default: for ever).")
@click.option("--team", "teams", multiple=True, metavar="TEAM", help="Whom it is for; may be given several times.")
@config_option
@json_option
def create(name: str, expires: float | None, teams: tuple[str, ...], config: Path | None, as_json: bool) -> None:
    """Make a key. It is shown this once and kept nowhere; a running gateway knows it within a second."""
    until = time.time() + expires if expires is not None else None
    key, secret = _with_keys(config, lambda known: api_keys.create(known, name, until, teams))
    ruled = Settings(config).document().access.teams
    for team in key.teams:
        if team not in ruled:
            print_note(f"there is no rule for team {team} under `access.teams` yet, so it may call nothing")
    if as_json:
        print_json({**_facts(key), "key": secret.reveal()})
        return
    print_note(f"key {key.name} ({key.id}), {_until(key)}. It is shown only now:")
    click.echo(secret.reveal())


@keys.command(name="list", epilog="Example:  toolgate keys list --json")
@config_option
@json_option
def list_(config: Path | None, as_json: bool) -> None:
    """List all keys that were ever made; never what is secret of them."""
    known = _with_keys(config, lambda keys: keys.all())
    if as_json:
        print_json({"keys": [_facts(key) for key in known]})
        return
    rows = [
        (
            key.id,
            key.name,
            ", ".join(key.teams) or "-",
            _state(key),
            _day(key.created),
            _day(key.expires),
            _day(key.last_used),
        )
        for key in known
    ]
    print_table(("ID", "NAME", "TEAMS", "STATE", "CREATED", "EXPIRES", "LAST USED"), rows)


@keys.command(epilog="Example:  toolgate keys revoke laptop")
@click.argument("key", metavar="ID|NAME")
@config_option
@json_option
def revoke(key: str, config: Path | None, as_json: bool) -> None:
    """Revoke a key. A running gateway refuses it within a second."""
    revoked = _with_keys(config, lambda known: api_keys.revoke(known, key))
    if as_json:
        print_json({"revoked": [_facts(gone) for gone in revoked]})
        return
    for gone in revoked:
        click.echo(f"revoked {gone.name} ({gone.id})")


def _with_keys(config: Path | None, work: Callable[[Keys], Awaitable[_T]]) -> _T:
    settings = Settings(config)

    async def run() -> _T:
        database = await Database.open(settings.document().database, settings.state)
        try:
            return await work(Keys(database))
        finally:
            await database.close()

    return asyncio.run(run())


def _facts(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "teams": list(key.teams),
        "state": _state(key),
        "created": key.created,
        "expires": key.expires,
        "revoked": key.revoked,
        "last_used": key.last_used,
    }


def _state(key: ApiKey) -> str:
    if key.revoked is not None:
        return "revoked"
    return "active" if key.is_live(time.time()) else "expired"


def _until(key: ApiKey) -> str:
    return f"good until {_day(key.expires)}" if key.expires is not None else "good until it is revoked"


def _day(seconds: float | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds)) if seconds is not None else "-"
