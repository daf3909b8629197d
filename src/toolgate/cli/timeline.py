"""`toolgate timeline`."""

import time
from typing import Any, Final
from urllib.parse import quote

import click

from toolgate.cli.client import Api
from toolgate.cli.options import json_option, url_option
from toolgate.cli.output import print_json, print_table, styled_state
from toolgate.cli.status import running_gateway

__all__ = ["timeline"]

_HEAD: Final = ("TIME", "STATE", "CAUSE", "BY", "REASON")


@click.command(
    short_help="Show the states that a server went through, and who asked.",
    epilog="Example:  toolgate timeline github --last 20",
)
@click.argument("server")
@click.option("--last", "-n", type=click.IntRange(1, 1000), default=50, metavar="N", help="How many; 50 by default.")
@url_option
@json_option
def timeline(server: str, last: int, url: str | None, as_json: bool) -> None:
    """Show what became of a server over the last week: its states, why it came to each, and who asked for it."""
    answer = Api(running_gateway(url)).get(f"servers/{quote(server, safe='')}/timeline?last={last}")
    if as_json:
        print_json(answer)
        return
    print_table(_HEAD, [_row(one) for one in answer["timeline"]])


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one["at"]))
    return when, styled_state(one["state"]), one["cause"], one["actor"] or "-", one["reason"] or "-"
