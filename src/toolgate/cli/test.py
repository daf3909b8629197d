"""`toolgate test`."""

import click

from toolgate.cli import tested
from toolgate.cli.client import Api
from toolgate.cli.options import json_option, url_option
from toolgate.cli.outcome import FAILED
from toolgate.cli.output import print_json
from toolgate.cli.status import running_gateway

__all__ = ["test"]

_TIMEOUT = 120.0  # seconds


@click.command(short_help="Try a server that was installed.", epilog="Example:  toolgate test github")
@click.argument("name")
@click.option("--team", metavar="TEAM", help="The one of a team.")
@url_option
@json_option
def test(name: str, team: str | None, url: str | None, as_json: bool) -> None:
    """Start the server NAME that `toolgate connect` installed once more, apart from what is served, and show its tools.

    Ends with 1 where it cannot be used.
    """
    api = Api(running_gateway(url), _TIMEOUT)
    outcome = tested.test(api, tested.find_connection(api, name, team))
    if as_json:
        print_json(outcome)
    else:
        tested.print_tested(name, outcome)
    click.get_current_context().exit(0 if outcome["ok"] else FAILED)
