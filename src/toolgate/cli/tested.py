"""Connections, found by name and tried: what `connect`, `disconnect` and `test` have in common."""

from typing import Any

import click

from toolgate.cli.arguments import nearest
from toolgate.cli.client import Api
from toolgate.cli.output import print_note
from toolgate.errors import ToolgateError

__all__ = ["ConnectionUnknownError", "find_connection", "print_tested", "test"]

_SHOWN = 12  # names of tools


class ConnectionUnknownError(ToolgateError):
    """Nothing of this name is installed, or more than one thing."""

    code = "connection-unknown"


def find_connection(api: Api, name: str, team: str | None) -> dict[str, Any]:
    """The connection of this name, or with this server or id."""
    known: list[dict[str, Any]] = api.get("connections")["connections"]
    mine = [one for one in known if team is None or one["owner"] == f"team:{team}"]
    found = [one for one in mine if name in (one["name"], one["server"], one["id"])]
    if len(found) == 1:
        return found[0]
    if found:
        servers = ", ".join(f"{one['server']} ({one['owner'] or 'of all'})" for one in found)
        raise ConnectionUnknownError(f"there are {len(found)} connections {name}", hint=f"give one of {servers}")
    raise ConnectionUnknownError(
        f"there is no connection {name}{nearest(name, [one['name'] for one in mine])}",
        hint="`toolgate status` shows what is served; what stands in a file is not a connection",
    )


def test(api: Api, connection: dict[str, Any]) -> dict[str, Any]:
    """Start its server once, apart from all that is served: `ok`, `took_ms`, `tools`, `error`."""
    return api.post(f"connections/{connection['id']}/test")


def print_tested(name: str, outcome: dict[str, Any]) -> None:
    if not outcome["ok"]:
        error = outcome["error"]
        print_note(f"{name}: {error['message']}" + (f"\n  try: {error['hint']}" if error["hint"] else ""))
        return
    tools = outcome["tools"]
    shown = ", ".join(tools[:_SHOWN]) + (f", and {len(tools) - _SHOWN} more" if len(tools) > _SHOWN else "")
    click.echo(f"{name}: {len(tools)} tools, in {outcome['took_ms'] / 1000:.1f} s")
    if shown:
        click.echo(f"  {shown}")
