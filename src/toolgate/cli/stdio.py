"""`toolgate stdio`."""

import asyncio
import signal
from contextlib import suppress
from pathlib import Path

import click

from toolgate.cli.borrowed import opened
from toolgate.cli.options import config_option
from toolgate.cli.running import Endpoint, find
from toolgate.cli.settings import Settings
from toolgate.observe import logs

__all__ = ["stdio"]


@click.command(
    short_help="Be a stdio server, for clients that speak only that.",
    epilog="""Example, for a client's configuration:

\b
  {"mcpServers": {"toolgate": {"command": "toolgate", "args": ["stdio"]}}}

Standard output belongs to the protocol; what is logged goes to standard error.""",
)
@config_option
@click.option("--log-level", type=click.Choice(logs.LEVELS), default="warning", help="How much is logged.")
def stdio(config: Path | None, log_level: str) -> None:
    """Serve on standard input and output: relay to the gateway that runs, or open one in this process."""
    logs.set_up(log_level)
    asyncio.run(_serve(Settings(config)))


async def _serve(settings: Settings) -> None:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  # this is a coroutine
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    endpoint = find(None, settings.env, settings.state)
    with suppress(asyncio.CancelledError):  # the signal: all is closed on the way
        if endpoint is not None:
            await _relay(endpoint)
            return
        async with opened(settings, await asyncio.to_thread(settings.read)) as (_, own):
            await _relay(own)


async def _relay(endpoint: Endpoint) -> None:
    import aiohttp  # noqa: PLC0415  # 200 ms

    from toolgate.inbound.pipes import StandardLines  # noqa: PLC0415
    from toolgate.inbound.stdio import Relay  # noqa: PLC0415

    headers = {"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}
    # Calls have their own deadlines, and streams have no end.
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as http:
        await Relay(http, f"{endpoint.url}/mcp", headers, StandardLines()).run()
