"""`toolgate status`."""

import time
from collections.abc import Sequence
from typing import Any

import click

from toolgate.cli.client import Api
from toolgate.cli.options import json_option, url_option
from toolgate.cli.outcome import GatewayMissingError
from toolgate.cli.output import print_json, print_table, styled_state
from toolgate.cli.running import Endpoint, find
from toolgate.cli.settings import Settings

__all__ = ["running_gateway", "status"]

_HEAD = ("SERVER", "SOURCE", "STATE", "ERA", "TOOLS", "LATENCY", "LAST ERROR")


@click.command(
    short_help="Show every server and how it is.",
    epilog="Example:  toolgate status --json\n\nEnds with 3 where no gateway is running.",
)
@url_option
@json_option
def status(url: str | None, as_json: bool) -> None:
    """Show every server of the running gateway: where it was found, its state, and what went wrong last."""
    endpoint = running_gateway(url)
    entries = Api(endpoint).servers()
    if as_json:
        print_json({"url": endpoint.url, "servers": entries})
        return
    click.echo(f"{endpoint.url}/mcp")
    print_table(_HEAD, [_row(entry) for entry in entries])
    _print_advice(entries)


def running_gateway(url: str | None) -> Endpoint:
    """The gateway that is asked. Raises `GatewayMissingError`."""
    settings = Settings()
    endpoint = find(url, settings.env, settings.state)
    if endpoint is None:
        raise GatewayMissingError("no gateway is running", hint="start one with `toolgate up`")
    return endpoint


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    latency = entry["latency_ms"]
    return (
        entry["name"],
        entry["source"],
        styled_state(entry["state"]),
        entry["era"] or "-",
        str(entry["tools"]),
        "-" if latency is None else f"{latency:.0f} ms" if latency >= 10 else f"{latency:.1f} ms",
        entry["last_error"] or "-",
    )


def _print_advice(entries: Sequence[dict[str, Any]]) -> None:
    for entry in entries:
        if entry["state"] != "failing":
            continue
        click.echo(f"\n{entry['name']} is failing since {_clock(entry['since'])}: {entry['reason']}")
        if entry["hint"]:
            click.echo(f"  try: {entry['hint']}")
        if entry["retry_at"]:
            click.echo(f"  tried again at {_clock(entry['retry_at'])}")


def _clock(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))
