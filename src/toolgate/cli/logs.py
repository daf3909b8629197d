"""`toolgate logs`."""

from contextlib import suppress
from urllib.parse import quote

import click

from toolgate.cli.client import Api
from toolgate.cli.options import json_option, url_option
from toolgate.cli.output import print_json
from toolgate.cli.status import running_gateway

__all__ = ["logs"]


@click.command(
    short_help="Show what a server wrote, and what became of it.",
    epilog="Example:  toolgate logs github --follow",
)
@click.argument("server")
@click.option(
    "--lines", "-n", type=click.IntRange(1, 10_000), default=100, metavar="N", help="How many; 100 by default."
)
@click.option("--follow", "-f", is_flag=True, help="Go on with what is written from now on, until Ctrl-C.")
@url_option
@json_option
def logs(server: str, lines: int, follow: bool, url: str | None, as_json: bool) -> None:
    """Show the log of a server: what it wrote to standard error, what it wrote to standard output that is not MCP, and
    each change of its state. Secrets that it was given are masked. Times are in UTC."""
    api, path = Api(running_gateway(url)), f"servers/{quote(server, safe='')}/logs?lines={lines}"
    if not follow:
        answer = api.get(path)
        if as_json:
            print_json(answer)
        for line in () if as_json else answer["lines"]:
            click.echo(line)
        return
    with suppress(KeyboardInterrupt):
        for line in api.events(f"{path}&follow=1"):
            click.echo(line)
