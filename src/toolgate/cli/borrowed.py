"""A gateway for one command: the one that runs, or one in this process that ends with the command."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from toolgate.cli import banner
from toolgate.cli.listen import bind, url_of
from toolgate.cli.output import print_note
from toolgate.cli.running import Endpoint, find
from toolgate.cli.settings import Settings
from toolgate.config.load import Loaded
from toolgate.model.server import Server
from toolgate.observe import logs

if TYPE_CHECKING:
    from toolgate.gateway import Gateway

__all__ = ["lend", "opened", "with_gateway"]

_T = TypeVar("_T")

_HOST: Final = "127.0.0.1"
_SETTLES: Final = 30.0  # seconds that servers get to start
_GRACE: Final = 2.0  # seconds that they get to stop


def with_gateway(
    settings: Settings,
    url: str | None,
    work: Callable[[Endpoint], _T],
    *,
    wanted: Callable[[Server], bool] = lambda server: True,
) -> _T:
    """What `work` answers, given a gateway. Where none runs, one is opened with the `wanted` servers only."""
    endpoint = find(url, settings.env, settings.state)
    if endpoint is not None:
        return work(endpoint)
    print_note("no gateway is running: starting the servers for this one command (`toolgate up` keeps them running)")
    return lend(settings, _only(settings.read(), wanted), work)


def _only(loaded: Loaded, wanted: Callable[[Server], bool]) -> Loaded:
    """Where none is wanted all are kept: the name may be one that only the gateway knows."""
    chosen = tuple(server for server in loaded.servers if wanted(server))
    return replace(loaded, servers=chosen) if chosen else loaded


def lend(settings: Settings, loaded: Loaded, work: Callable[[Endpoint], _T]) -> _T:
    """Open a gateway in this process, call `work` when its servers are up or down, and close it."""

    logs.set_up("error")  # what fails is told below, once

    async def run() -> _T:
        async with opened(settings, loaded) as (gateway, endpoint):
            await gateway.settled(_SETTLES)
            for entry in gateway.report():
                if entry["state"] != "ready":
                    print_note(banner.state_line(entry))
            return await asyncio.to_thread(work, endpoint)

    return asyncio.run(run())


@asynccontextmanager
async def opened(settings: Settings, loaded: Loaded) -> AsyncIterator[tuple["Gateway", Endpoint]]:
    """A gateway on a port of its own that only this process has the token for; its servers are starting."""
    from toolgate.gateway import Gateway  # noqa: PLC0415  # not needed where a gateway runs already
    from toolgate.inbound.serve import serve  # noqa: PLC0415

    token = secrets.token_urlsafe(32)
    stop = asyncio.Event()
    with bind(_HOST, 0, None) as sock:
        gateway = await Gateway.open(loaded, read=lambda: loaded, state=settings.state, token=token, host=_HOST)
        serving = asyncio.create_task(serve(gateway, sock, stop=stop, drain=0, listening=lambda: None))
        try:
            yield gateway, Endpoint(url_of(sock), token)
        finally:
            stop.set()
            await asyncio.gather(serving, return_exceptions=True)
            await gateway.close(_GRACE)
