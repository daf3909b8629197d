"""`toolgate advice`."""

from pathlib import Path

import click

from toolgate.cli.options import config_option, json_option, url_option
from toolgate.cli.output import print_json, print_note
from toolgate.cli.recorded import PERIOD, asked

__all__ = ["advice"]


@click.command(
    short_help="Suggest what to prune, cache or mend.",
    epilog="Example:  toolgate advice --since 30d\n\nWithout a running gateway its database is read, "
    "which does not tell which tools nobody calls.",
)
@click.option(
    "--since", type=PERIOD, default="30d", show_default=True, metavar="PERIOD", help="today, or 12h, 7d, 2w, 1y."
)
@url_option
@config_option
@json_option
def advice(since: str, url: str | None, config: Path | None, as_json: bool) -> None:
    """Suggest what would make things cheaper, faster or more reliable, with the figures that led to it."""
    report = asked("advice", {"since": since}, url, config, lambda known: known.advice(since, ()))
    if as_json:
        print_json(report)
        return
    for found in report["advice"]:
        click.echo(f"{click.style(found['kind'], bold=True)}  {found['text']}")
        click.echo(f"  try: {found['action']}")
    if not report["advice"]:
        print_note("nothing stands out")
