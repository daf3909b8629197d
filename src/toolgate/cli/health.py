"""`toolgate health`."""

from typing import Any, Final

import click

from toolgate.cli.client import Api
from toolgate.cli.options import json_option, url_option
from toolgate.cli.outcome import FAILED
from toolgate.cli.output import print_json, print_table
from toolgate.cli.status import running_gateway

__all__ = ["health", "milliseconds", "percent", "span", "styled_condition"]

_HEAD: Final = ("SERVER", "HEALTH", "UPTIME 24H", "7D", "MTBF", "MTTR", "P50", "P95", "ERRORS 5M")
_COLOURS: Final = {
    "healthy": "green", "starting": "yellow", "degraded": "yellow", "unhealthy": "red", "stopped": "bright_black",
}  # fmt: skip


@click.command(
    short_help="Say whether all is well, for people and for scripts.",
    epilog="Example:  toolgate health --json\n\nEnds with 0 where all is healthy, with 1 where it is not, with 3 where "
    "no gateway is running.",
)
@url_option
@json_option
@click.pass_context
def health(ctx: click.Context, url: str | None, as_json: bool) -> None:
    """Show how every server did lately, and how fast the error budget is used up."""
    report = Api(running_gateway(url)).get("health")
    if as_json:
        print_json(report)
    else:
        _print(report)
    ctx.exit(0 if report["status"] == "healthy" else FAILED)


def _print(report: dict[str, Any]) -> None:
    click.echo(f"{styled_condition(report['status'])}{': ' if report['reason'] else ''}{report['reason']}")
    print_table(_HEAD, [_row(entry) for entry in report["servers"]])
    slo = report["slo"]
    click.echo(f"\n{_objective('answered', slo['availability'])}")
    click.echo(_objective(f"within {slo['latency']['ms']:g} ms", slo["latency"]))


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    return (
        entry["name"],
        styled_condition(entry["status"]),
        percent(entry["uptime_24h"]),
        percent(entry["uptime_7d"]),
        span(entry["mtbf"]),
        span(entry["mttr"]),
        milliseconds(entry["p50_ms"]),
        milliseconds(entry["p95_ms"]),
        percent(entry["error_rate_5m"]),
    )


def _objective(what: str, objective: dict[str, Any]) -> str:
    burn = ", ".join(f"{window} {rate:g}" for window, rate in objective["burn"].items())
    return f"{percent(objective['objective'])} of calls {what}; the error budget burns at (1 is as planned): {burn}"


def styled_condition(condition: str) -> str:
    return click.style(condition, fg=_COLOURS.get(condition))


def percent(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.4g} %"


def milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def span(seconds: float | None) -> str:
    """`45 s`, `12 min`, `5 h`, `3 d`: the largest unit of which there are two."""
    if seconds is None:
        return "-"
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
