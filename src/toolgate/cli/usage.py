"""`toolgate usage`."""

import time
from pathlib import Path
from typing import Any

import click

from toolgate.cli.client import Json
from toolgate.cli.options import config_option, json_option, url_option
from toolgate.cli.output import print_json, print_note, print_table
from toolgate.cli.recorded import PERIOD, asked, bytes_text
from toolgate.recording.report import BY, as_csv

__all__ = ["usage"]


@click.command(
    short_help="Show who called what, how often, and how it went.",
    epilog="Example:  toolgate usage --by user --since 30d\n\nWithout a running gateway its database is read.",
)
@click.option("--by", type=click.Choice(list(BY)), default="tool", show_default=True, help="What to add up by.")
@click.option(
    "--since", type=PERIOD, default="7d", show_default=True, metavar="PERIOD", help="today, or 12h, 7d, 2w, 1y."
)
@click.option("--csv", "as_table", is_flag=True, help="The rows as CSV.")
@url_option
@config_option
@json_option
def usage(by: str, since: str, as_table: bool, url: str | None, config: Path | None, as_json: bool) -> None:
    """Show the calls of users, teams, servers or tools: how many, how they ended, how long they took."""
    if as_table and as_json:
        raise click.UsageError("give --csv or --json")
    report = asked("usage", {"by": by, "since": since}, url, config, lambda known: known.usage(by, since))
    if as_json:
        print_json(report)
    elif as_table:
        click.echo(as_csv(report), nl=False)
    else:
        _print(report)


def _print(report: Json) -> None:
    columns = BY[report["by"]]
    begin = time.strftime("%Y-%m-%d %H:%M", time.localtime(report["since"]))
    whole = report["total"]
    click.echo(f"{whole['calls']:,} calls since {begin}, {_share(whole['success_rate'])} of those answered went well")
    if report["rows"]:
        head = [column.upper().replace("_", " ") for column in columns]
        rows = [[*(row[column] or "-" for column in columns), *_cells(row)] for row in report["rows"]]
        print_table((*head, "CALLS", "OK", "ERRORS", "REFUSED", "P50", "P95", "IN", "OUT", "TOKENS"), rows)
    if unused := report["unused"]:
        tokens = sum(tool["tokens"] for tool in unused)
        click.echo(f"\nNot called: {len(unused)} tools that cost about {tokens:,} tokens a listing (`toolgate advice`)")
    for listing in report["listings"]:
        if listing["saved"] > 0 and listing["endpoint"].startswith("/virtual/"):
            click.echo(f"{listing['endpoint']} saves its clients about {listing['saved']:,} tokens a listing")
    print_note(f"TOKENS is {report['formulas']['tokens']}")


def _cells(row: dict[str, Any]) -> list[str]:
    return [
        f"{row['calls']:,}",
        _share(row["success_rate"]),
        f"{row['failed'] + row['errors']:,}",
        f"{row['refused']:,}",
        _ms(row["p50_ms"]),
        _ms(row["p95_ms"]),
        bytes_text(row["sent"]),
        bytes_text(row["received"]),
        f"{row['tokens']:,}",
    ]


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"
