"""`toolgate top`."""

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import click

from toolgate.cli.client import Api
from toolgate.cli.health import milliseconds, percent, styled_condition
from toolgate.cli.options import json_option, url_option
from toolgate.cli.output import print_json, print_table, styled_state
from toolgate.cli.status import running_gateway

__all__ = ["top"]

_HEAD: Final = ("SERVER", "STATE", "HEALTH", "CALLS/S", "IN FLIGHT", "P50", "P95", "ERRORS 5M")
_EVERY: Final = 1.0  # seconds

Look = Callable[[], dict[str, Any]]


@click.command(
    short_help="Watch the servers at work.",
    epilog="Example:  toolgate top\n\nPrints one table where nobody watches, and with --once.",
)
@click.option("--once", is_flag=True, help="Print one table and end.")
@url_option
@json_option
def top(once: bool, url: str | None, as_json: bool) -> None:
    """Show what every server does, anew each second, the busiest first. Ctrl-C ends it."""
    api = Api(running_gateway(url))

    def look() -> dict[str, Any]:
        return api.get("health")

    if as_json:
        print_json(look())
    elif once or not sys.stdout.isatty():
        report = look()
        click.echo(_line(report))
        print_table(_HEAD, _rows(report))
    else:
        with suppress(KeyboardInterrupt):
            _watch(look)


def _watch(look: Look) -> None:
    from rich.console import Group  # noqa: PLC0415  # 130 ms
    from rich.live import Live  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    def drawn() -> Group:
        report = look()
        table = Table(box=None, pad_edge=False, header_style="bold")
        for number, title in enumerate(_HEAD):
            table.add_column(title, overflow="fold", justify="left" if number < 3 else "right")
        for row in _rows(report):
            table.add_row(*(Text.from_ansi(cell) for cell in row))
        return Group(Text.from_ansi(_line(report)), table)

    with Live(drawn(), screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(_EVERY)
            live.update(drawn(), refresh=True)


def _line(report: dict[str, Any]) -> str:
    """`healthy  3 servers  12.5 calls/s  2 in flight`"""
    servers = report["servers"]
    calls = sum(entry["calls_per_second"] for entry in servers)
    flying = sum(entry["in_flight"] for entry in servers)
    condition = styled_condition(report["status"])
    return f"{condition}  {len(servers)} servers  {calls:.1f} calls/s  {flying} in flight  {report['reason']}".rstrip()


def _rows(report: dict[str, Any]) -> list[tuple[str, ...]]:
    busiest = sorted(report["servers"], key=lambda entry: (-entry["calls_per_second"], entry["name"]))
    return [
        (
            entry["name"],
            styled_state(entry["state"]),
            styled_condition(entry["status"]),
            f"{entry['calls_per_second']:.1f}",
            str(entry["in_flight"]),
            milliseconds(entry["p50_ms"]),
            milliseconds(entry["p95_ms"]),
            percent(entry["error_rate_5m"]),
        )
        for entry in busiest
    ]
