"""`toolgate restart`."""

import click

from toolgate.cli.options import json_option, url_option
from toolgate.cli.orders import give

__all__ = ["restart"]


@click.command(short_help="Stop a server and start it again.", epilog="Example:  toolgate restart github")
@click.argument("server")
@url_option
@json_option
def restart(server: str, url: str | None, as_json: bool) -> None:
    """Stop a server, start it again, and wait until it is ready. Calls under way get ten seconds to end."""
    give("restart", server, url, as_json)
