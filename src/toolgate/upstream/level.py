"""The log level of a legacy link: the most talkative that any of its callers asked for. Each caller is then passed
what it asked for (see `relay.admits`), since a legacy level belongs to the whole link (2025-11-25, Logging)."""

import asyncio
from contextlib import suppress
from typing import Final

from toolgate.errors import UpstreamError
from toolgate.pipeline.call import Call
from toolgate.protocol.envelope import dump
from toolgate.protocol.eras import LOG_LEVELS, Era
from toolgate.upstream.base import Link

__all__ = ["LinkLevel"]

_TIMEOUT: Final = 5.0  # seconds; a server that does not answer this keeps its own level


class LinkLevel:
    def __init__(self, link: Link) -> None:
        self._link = link
        self._settable = link.era is Era.LEGACY and "logging" in link.catalogue_head.capabilities
        self._set = len(LOG_LEVELS)
        self._setting = asyncio.Lock()

    def suits(self, call: Call) -> bool:
        """Whether the server says what this caller wants to hear."""
        return not self._settable or call.log_level is None or LOG_LEVELS.index(call.log_level) >= self._set

    async def suit(self, call: Call) -> None:
        """See to it that it does."""
        wanted = LOG_LEVELS.index(str(call.log_level))
        async with self._setting:
            if wanted < self._set:
                with suppress(UpstreamError):  # its messages are missing then, which is no reason to fail the call
                    params = dump({"level": call.log_level})
                    await self._link.request("logging/setLevel", params, min(call.timeout, _TIMEOUT))
                self._set = wanted
