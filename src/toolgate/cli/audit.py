"""`toolgate audit`."""

import time
from pathlib import Path
from typing import Final

import click

from toolgate.cli.client import Json
from toolgate.cli.options import config_option, json_option, url_option
from toolgate.cli.output import print_json, print_table
from toolgate.cli.recorded import PERIOD, asked

__all__ = ["audit"]

_HEAD: Final = ("TIME", "WHO", "METHOD", "SERVER", "NAME", "OUTCOME", "TOOK", "REQUEST")


@click.command(
    short_help="Show the last calls: who, what, and how it ended.",
    epilog="Example:  toolgate audit --server github --outcome error --since 1h\n\n"
    "Without a running gateway its database is read.",
)
@click.option("--server", default="", help="Calls of this server.")
@click.option("--principal", default="", help="Calls of this caller: an id, or the name of a key.")
@click.option("--outcome", default="", help="ok, failed, error, cancelled, or the code of an error.")
@click.option("--since", type=PERIOD, metavar="PERIOD", help="today, or 12h, 7d, 2w, 1y (default: all that is kept).")
@click.option("-n", "--last", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many.")
@url_option
@config_option
@json_option
def audit(
    server: str,
    principal: str,
    outcome: str,
    since: str | None,
    last: int,
    url: str | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Show the last calls that were recorded, the newest at the end; never their arguments or results."""
    period = since or ""
    query = {"server": server, "principal": principal, "outcome": outcome, "since": period, "most": str(last)}
    report = asked(
        "audit",
        query,
        url,
        config,
        lambda known: known.audit(server=server, principal=principal, outcome=outcome, period=period, most=last),
    )
    if as_json:
        print_json(report)
        return
    print_table(_HEAD, [_row(record) for record in report["records"]])
    if "searched_since" in report:
        click.echo(
            f"Calls before {_moment(report['searched_since'])} were not looked at: that would take too long. "
            "--since, --server or --principal narrow it down.",
            err=True,
        )


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _row(record: Json) -> tuple[str, ...]:
    return (
        _moment(record["at"]),
        record["principal_name"] or record["principal"],
        record["method"],
        record["server"],
        record["name"],
        f"{record['outcome']} (cached)" if record["cached"] else record["outcome"],
        f"{record['seconds'] * 1000:.1f} ms",
        record["request"],
    )
