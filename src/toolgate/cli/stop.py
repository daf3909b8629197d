"""`toolgate stop`."""

import click

from toolgate.cli.options import json_option, url_option
from toolgate.cli.orders import give

__all__ = ["stop"]


@click.command(short_help="Stop a server, until somebody starts it.", epilog="Example:  toolgate stop github")
@click.argument("server")
@url_option
@json_option
def stop(server: str, url: str | None, as_json: bool) -> None:
    """Stop a server. Its tools stay listed, and calls of them are refused, until somebody starts it again: over
    changes of the configuration and restarts of the gateway."""
    give("stop", server, url, as_json)
