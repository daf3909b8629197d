"""`toolgate start`."""

import click

from toolgate.cli.options import json_option, url_option
from toolgate.cli.orders import give

__all__ = ["start"]


@click.command(short_help="Start a server that is stopped or idle.", epilog="Example:  toolgate start github")
@click.argument("server")
@url_option
@json_option
def start(server: str, url: str | None, as_json: bool) -> None:
    """Start a server, and wait until it is ready. One that fails is tried again at once."""
    give("start", server, url, as_json)
