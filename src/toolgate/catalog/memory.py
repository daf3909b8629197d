"""What was learnt of servers, kept between runs: read into memory once, written by a task of its own."""

import asyncio
import logging
import time
from typing import Any, Final, Self

import msgspec
from msgspec import Raw

from toolgate.catalog.remembered import Remembered
from toolgate.errors import StoreError
from toolgate.model.tool import Catalogue, Item, Kind
from toolgate.protocol.eras import Era
from toolgate.store.catalogues import KEPT, Catalogues, SeenServer
from toolgate.store.database import Database

__all__ = ["CatalogueMemory"]

_MOST: Final = 2000  # servers remembered at a time

_log = logging.getLogger(__name__)


class CatalogueMemory:
    """A `catalog.remembered.Memory`. `recall` and `remember` only touch a dictionary."""

    def __init__(self, catalogues: Catalogues, known: dict[str, Remembered]) -> None:
        self._catalogues = catalogues
        self._known = known
        self._unwritten: dict[str, Remembered] = {}
        self._wake = asyncio.Event()
        self._closing = False
        self._writer = asyncio.create_task(self._write_on(), name="catalogue-writer")

    @classmethod
    async def open(cls, database: Database) -> Self:
        catalogues = Catalogues(database)
        await catalogues.forget(time.time() - KEPT)
        rows = (await catalogues.all())[-_MOST:]
        return cls(catalogues, {row.fingerprint: kept for row in rows if (kept := _decode(row)) is not None})

    def recall(self, fingerprint: str) -> Remembered | None:
        return self._known.get(fingerprint)

    def remember(self, fingerprint: str, remembered: Remembered) -> None:
        """Kept at once, written soon: what comes for the same server before that takes its place."""
        self._known.pop(fingerprint, None)
        self._known[fingerprint] = remembered
        self._unwritten[fingerprint] = remembered
        while len(self._known) > _MOST:
            oldest = next(iter(self._known))
            del self._known[oldest]
            self._unwritten.pop(oldest, None)
        self._wake.set()

    async def close(self) -> None:
        """Write what is left."""
        self._closing = True
        self._wake.set()
        await self._writer

    async def _write_on(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            closing = self._closing  # before the write, which is then the last
            await self._write()
            if closing:
                return

    async def _write(self) -> None:
        batch, self._unwritten = self._unwritten, {}
        if not batch:
            return
        now = time.time()
        try:
            await self._catalogues.put([_encode(name, remembered, now) for name, remembered in batch.items()])
        except StoreError as error:
            # The gateway serves on: only the next start is slower to know these servers.
            _log.warning("what was learnt of %d servers is not kept: %s", len(batch), error)


class _Item(msgspec.Struct, frozen=True):
    name: str
    raw: Raw


class _Stored(msgspec.Struct, frozen=True):
    items: dict[str, list[_Item]]
    capabilities: dict[str, Any]
    server_info: dict[str, Any]
    instructions: str
    more: dict[str, Raw] = {}


def _encode(fingerprint: str, remembered: Remembered, now: float) -> SeenServer:
    catalogue = remembered.catalogue
    stored = _Stored(
        items={
            kind.value: [_Item(item.name, Raw(item.raw)) for item in items] for kind, items in catalogue.items.items()
        },
        capabilities=dict(catalogue.capabilities),
        server_info=dict(catalogue.server_info),
        instructions=catalogue.instructions,
        more={method: Raw(members) for method, members in catalogue.more.items()},
    )
    return SeenServer(fingerprint, remembered.era.value, msgspec.json.encode(stored), now)


def _decode(row: SeenServer) -> Remembered | None:
    try:
        stored = msgspec.json.decode(row.catalogue, type=_Stored)
        items = {
            Kind(kind): tuple(Item(item.name, bytes(item.raw)) for item in listed)
            for kind, listed in stored.items.items()
        }
        era = Era(row.era)
    except (msgspec.DecodeError, ValueError) as error:
        _log.warning("a remembered catalogue cannot be read and is asked for anew: %s", error)
        return None
    more = {method: bytes(members) for method, members in stored.more.items()}
    return Remembered(era, Catalogue(items, stored.capabilities, stored.server_info, stored.instructions, more))
