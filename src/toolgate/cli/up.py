"""`toolgate up`."""

import asyncio
import logging
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolgate.cli.announce import Announcer, JsonLines, PlainLines, Silence
from toolgate.cli.listen import bind
from toolgate.cli.options import config_option, json_option
from toolgate.cli.running import RunFile
from toolgate.cli.settings import Settings
from toolgate.errors import ConfigError, ToolgateError
from toolgate.observe import logs

if TYPE_CHECKING:
    from toolgate.config.load import Loaded
    from toolgate.workers.seat import Seat

__all__ = ["up"]

log = logging.getLogger(__name__)


@click.command(
    short_help="Serve all configured servers on one endpoint.",
    epilog="Example:  toolgate up --port 9000\n\nEnds with 0 when it was asked to (Ctrl-C, SIGTERM), after calls in "
    "flight have ended; a second Ctrl-C ends it at once. SIGHUP reads the configuration again, and so does a change "
    "of any file that it comes from.",
)
@config_option
@click.option("--host", metavar="H", help="The address to listen on, instead of the one configured (127.0.0.1).")
@click.option(
    "--port", type=click.IntRange(0, 65535), metavar="N", help="The port, instead of the one configured (8765)."
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    metavar="N",
    help="How many processes serve, instead of the number configured (1).",
)
@click.option(
    "--log-level",
    type=click.Choice(logs.LEVELS),
    help="How much is logged, on standard error (default: info, on a terminal error).",
)
@json_option
def up(
    config: Path | None,
    host: str | None,
    port: int | None,
    workers: int | None,
    log_level: str | None,
    as_json: bool,
) -> None:
    """Find the servers in toolgate.yaml and in your clients' files, start them, and serve them all on one endpoint."""
    terminal = sys.stdout.isatty() and not as_json
    # On a terminal the display says what happens; a log beside it would say it twice.
    logs.set_up(log_level or ("error" if terminal and sys.stderr.isatty() else "info"))
    settings = Settings(config)
    document = settings.document()
    host = document.host if host is None else host
    port = document.port if port is None else port
    sock = bind(host, port, RunFile(settings.state).read())
    # The sources have to know the real address, to leave out the entries that lead back here.
    settings.env["TOOLGATE_LISTEN"] = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    with sock:
        from toolgate.cli import serving  # noqa: PLC0415  # most of the gateway: after the port is known to be free
        from toolgate.http import descriptors  # noqa: PLC0415

        descriptors.allow_many()
        loaded = settings.read()
        count = document.workers if workers is None else workers
        if count == 1:
            code = _run(serving.run(loaded, settings, sock, host, _announcer(terminal=terminal, as_json=as_json)))
        else:
            from toolgate.workers.parent import Parent  # noqa: PLC0415  # only where there are workers

            def work(seat: "Seat") -> int:
                announcer = _announcer(terminal=terminal, as_json=as_json) if seat.leads else Silence()
                try:
                    return _run(serving.run(_current(loaded, settings, seat), settings, sock, host, announcer, seat))
                except ToolgateError as error:
                    if seat.leads:
                        raise
                    # At first worker 0 says what is wrong for all.
                    log.log(logging.ERROR if seat.again else logging.DEBUG, "worker %d: %s", seat.number, error)
                    return 1

            code = Parent(count, settings.state, RunFile(settings.state).remove).run(work)
    sys.exit(code)


def _current(loaded: "Loaded", settings: Settings, seat: "Seat") -> "Loaded":
    """A worker that is started again begins with what is written now, if it can be used."""
    if seat.again:
        try:
            return settings.read()
        except ConfigError as error:
            log.warning("the new configuration is not used, the first one is served on: %s", error.message)
    return loaded


def _announcer(*, terminal: bool, as_json: bool) -> Announcer:
    if as_json:
        return JsonLines()
    if not terminal:
        return PlainLines()
    from toolgate.cli.live import LiveLines  # noqa: PLC0415  # rich: 130 ms

    return LiveLines()


def _run(main: Coroutine[object, object, int]) -> int:
    """On uvloop where there is one."""
    try:
        import uvloop  # noqa: PLC0415  # not on every platform
    except ImportError:
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)
