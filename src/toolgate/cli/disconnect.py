"""`toolgate disconnect`."""

import click

from toolgate.cli.client import Api
from toolgate.cli.options import json_option, url_option
from toolgate.cli.output import print_json
from toolgate.cli.status import running_gateway
from toolgate.cli.tested import find_connection

__all__ = ["disconnect"]


@click.command(
    short_help="Remove a server that was installed, with its secrets.", epilog="Example:  toolgate disconnect github"
)
@click.argument("name")
@click.option("--team", metavar="TEAM", help="The one of a team.")
@url_option
@json_option
def disconnect(name: str, team: str | None, url: str | None, as_json: bool) -> None:
    """Remove the server NAME that `toolgate connect` installed. Its secrets are removed from the vault."""
    api = Api(running_gateway(url))
    gone = find_connection(api, name, team)
    api.delete(f"connections/{gone['id']}")
    if as_json:
        print_json({"removed": gone["name"], "id": gone["id"]})
    else:
        click.echo(f"removed {gone['name']} and its secrets")
