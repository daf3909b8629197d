"""What a person wants of one server: `toolgate start`, `stop` and `restart`."""

from urllib.parse import quote

import click

from toolgate.cli.banner import state_line
from toolgate.cli.client import Api
from toolgate.cli.outcome import FAILED
from toolgate.cli.output import print_json
from toolgate.cli.status import running_gateway

__all__ = ["give"]

_TIMEOUT = 90.0  # seconds; the gateway answers after a minute at most


def give(order: str, server: str, url: str | None, as_json: bool) -> None:
    """Ends with 1 where the server then is not as it was wanted to be."""
    entry = Api(running_gateway(url), _TIMEOUT).post(f"servers/{quote(server, safe='')}/{order}")
    if as_json:
        print_json(entry)
    else:
        click.echo(state_line(entry))
    wanted = "stopped" if order == "stop" else "ready"
    click.get_current_context().exit(0 if entry["state"] == wanted else FAILED)
