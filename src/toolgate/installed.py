"""What was installed: its rooms put together, and its servers set beside those of the configuration."""

import os
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from toolgate.catalog.build import server_endpoint
from toolgate.catalog.snapshot import Snapshot
from toolgate.config.load import Loaded
from toolgate.control.accounts import AccountRoutes
from toolgate.control.coalesced import Coalesced
from toolgate.control.connecting import Connecting
from toolgate.control.connections import ConnectionRoutes
from toolgate.control.counted import Counted, State
from toolgate.control.events import Changes
from toolgate.control.known_cards import KnownCards
from toolgate.control.routes import Route
from toolgate.control.shown import Shown
from toolgate.errors import StartFailed
from toolgate.model.connection import Connection
from toolgate.model.life import PHASES
from toolgate.model.server import Server
from toolgate.model.tool import Catalogue, Kind
from toolgate.secrets.master_key import master_key
from toolgate.secrets.vault import Vault
from toolgate.sources.base import Found
from toolgate.sources.cards import cards_folder
from toolgate.sources.connections import SOURCE, ConnectionServers
from toolgate.sources.merge import merge
from toolgate.store.connections import ConnectionRows
from toolgate.store.database import Database
from toolgate.store.run_cards import RunCards
from toolgate.store.vault import SealedSecrets
from toolgate.upstream.base import Status

__all__ = ["Installed", "owners"]


class Governed(Protocol):
    """The gateway, as far as this knows it."""

    loaded: Loaded

    def report(self) -> list[dict[str, Any]]: ...

    async def trial(self, server: Server) -> Catalogue: ...


class Installed:
    """`whole` is asked whenever the configuration was read; `renew` applies what was installed or removed since."""

    def __init__(
        self,
        database: Database,
        state: Path,
        gateway: Governed,
        snapshot: Callable[[], Snapshot],
        renew: Callable[[], Awaitable[None]],
        *,
        leads: bool,
    ) -> None:
        """`renew` is awaited once for all who change something at the same time. One of several workers `leads`: it
        writes the states of all."""
        self._gateway = gateway
        self._snapshot = snapshot
        self._home = Path.home()
        self._rows = ConnectionRows(database)
        self.vault = Vault(SealedSecrets(database), lambda make: master_key(os.environ, state, make))
        self.changes = Changes()
        self.counted = Counted(self._rows, self._states if leads else None)
        rights = partial(_rights, gateway)
        changed = Coalesced(renew)
        loaded = gateway.loaded
        cards = KnownCards(RunCards(database), cards_folder(loaded.document, loaded.path, state))
        self._connecting = Connecting(self._rows, self.vault, cards, changed, rights, str(self._home))
        self._shown = Shown(gateway, self._tools)

    def open(self, stack: AsyncExitStack, lives: Iterable[Route]) -> tuple[list[Route], list[Route]]:
        """The routes of the API, and those in the words of accounts. `lives` are the routes of single servers. What has
        to be closed is pushed on `stack`."""
        self.counted.start()
        stack.push_async_callback(self.counted.close)
        stack.callback(self.changes.close)
        routes = ConnectionRoutes(self._connecting, self._shown, self._trial, self.changes, lives)
        return routes.routes, AccountRoutes(self._connecting, self._shown, routes).routes

    async def whole(self, loaded: Loaded) -> Loaded:
        """What was read, with what was installed beside it: the configuration wins on a clash, which is reported.
        Raises `StoreError`."""
        connections = await self._rows.all()
        self.counted.keep(connections)
        withheld = frozenset(name for name, entry in loaded.document.servers.items() if entry.disabled)
        installed = ConnectionServers(connections, self._home, loaded.document).read()
        servers, reports = merge([("", Found(loaded.servers, withheld=withheld)), (SOURCE, installed)])
        return replace(
            loaded,
            servers=servers,
            reports=(*loaded.reports, *(reports[1:] if connections else ())),
            problems=(*loaded.problems, *installed.problems),
            resolver=loaded.resolver.beside(self.vault),
        )

    def state(self, status: Status) -> None:
        """A server's state changed."""
        self.counted.changed()
        server = status.server
        facts = {"server": server.name, "state": status.state.value, "phase": PHASES[status.state].value,
                 "reason": status.reason, "at": time.time()}  # fmt: skip
        self.changes.tell("server", server.owner, facts)

    def catalogue(self) -> None:
        """A server told what it offers."""
        self.counted.changed()

    def _tools(self, server: str) -> Sequence[bytes]:
        view = self._snapshot().views.get(server_endpoint(server))
        return view.of(Kind.TOOLS).items if view is not None else ()

    def _states(self, connections: Sequence[Connection]) -> Iterable[tuple[str, State]]:
        return ((one.id, (one.state, one.tools)) for one in self._shown.all(connections))

    async def _trial(self, connection: Connection) -> tuple[str, ...]:
        found = ConnectionServers([connection], self._home, self._gateway.loaded.document).read()
        if not found.servers:
            raise StartFailed(found.problems[0].reason, server=connection.server)
        catalogue = await self._gateway.trial(found.servers[0])
        return tuple(item.name for item in catalogue.of(Kind.TOOLS))


def owners(servers: Iterable[Server]) -> Mapping[str, str]:
    """Of those that belong to somebody, by name."""
    return {server.name: server.owner for server in servers if server.owner}


def _rights(gateway: Governed) -> str:
    return gateway.loaded.document.access.install
