"""`toolgate tools`."""

from pathlib import Path

import click

from toolgate.cli.borrowed import with_gateway
from toolgate.cli.client import Json, Mcp
from toolgate.cli.options import config_option, json_option, url_option
from toolgate.cli.output import print_json, print_table
from toolgate.cli.running import Endpoint
from toolgate.cli.settings import Settings
from toolgate.model.names import exposed_name

__all__ = ["tools"]

_WIDEST = 90  # characters of a description


@click.command(
    short_help="List the tools.",
    epilog="Example:  toolgate tools github\n\nWithout a running gateway the servers are started for this one command.",
)
@click.argument("server", required=False)
@url_option
@config_option
@json_option
def tools(server: str | None, url: str | None, config: Path | None, as_json: bool) -> None:
    """List the tools of all servers, or of one SERVER, under the names that `toolgate call` takes."""

    def work(endpoint: Endpoint) -> list[Json]:
        listed = Mcp(endpoint).tools()
        return listed if server is None else _of_server(listed, server, endpoint)

    found = with_gateway(Settings(config), url, work, wanted=lambda known: server in (None, known.name))
    if as_json:
        print_json({"tools": found})
        return
    print_table(("TOOL", "DESCRIPTION"), [(tool["name"], _first_line(tool)) for tool in found])


def _of_server(listed: list[Json], server: str, endpoint: Endpoint) -> list[Json]:
    own = [tool["name"] for tool in Mcp(endpoint, f"/servers/{server}/mcp").tools()]
    names = {exposed_name(server, name, distinct=distinct) for name in own for distinct in (False, True)}
    return [tool for tool in listed if tool["name"] in names]


def _first_line(tool: Json) -> str:
    text = str(tool.get("description") or tool.get("title") or "").strip()
    line = text.splitlines()[0] if text else ""
    return line if len(line) <= _WIDEST else f"{line[: _WIDEST - 1]}…"
