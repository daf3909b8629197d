"""A link to a web API: what MCP asks is answered here, and a call of a tool is a request to the API."""

import asyncio
import logging
import random
from collections.abc import Sequence
from typing import Any, Final, Protocol

from msgspec import Raw

from toolgate.errors import InvalidParams, ServerUnavailable, ToolgateError, UpstreamError
from toolgate.model.tool import Catalogue, Kind
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol.envelope import NOTHING, Fields, dump, fields
from toolgate.protocol.eras import MODERN_VERSIONS, Era
from toolgate.upstream import failures
from toolgate.upstream.deadline import Alarms, Deadline
from toolgate.upstream.endpoint import Unreachable
from toolgate.upstream.inflight import InFlight
from toolgate.upstream.relay import News
from toolgate.upstream.services.results import refused

__all__ = ["Service", "ServiceLink"]

_METHOD_NOT_FOUND: Final = -32601
_INVALID_PARAMS: Final = -32602
_TOOLS: Final = frozenset({Kind.TOOLS})
_JITTER: Final = 0.1

_log = logging.getLogger(__name__)


class Service(Protocol):
    """A web API as tools."""

    server_info: dict[str, Any]
    instructions: str
    interval: float
    """Seconds after which its description is read again."""

    @property
    def tools(self) -> Sequence[bytes]: ...

    async def call(self, name: str, arguments: Fields) -> Reply | None:
        """None where there is no such tool. Raises `UpstreamError`; its message follows the server's name."""
        ...

    async def reach(self) -> None:
        """Whether the API is there. Raises `UpstreamError`."""
        ...

    async def read_again(self) -> bool:
        """Whether its tools are others now. Raises `ToolgateError`; they then stay what they were."""
        ...


class ServiceLink:
    """An `upstream.base.Link`. It lives until the API cannot be reached any more."""

    era = Era.MODERN
    version = MODERN_VERSIONS[-1]

    def __init__(self, server: str, service: Service, news: News) -> None:
        self.server = server
        self.catalogue_head = Catalogue(
            {},
            capabilities={"tools": {"listChanged": True}},
            server_info=service.server_info,
            instructions=service.instructions,
        )
        self._service = service
        self._news = news
        self._alarms = Alarms()
        self._in_flight = InFlight()
        self._closing = False
        self._end: asyncio.Future[UpstreamError] = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._keep_reading(), name=f"read the description of {server}")

    async def send(self, call: Call) -> Reply:
        if call.method != "tools/call":
            return refused(_METHOD_NOT_FOUND, f"server {self.server!r} has tools only")
        try:
            arguments = _arguments(call)
        except InvalidParams as error:
            return refused(_INVALID_PARAMS, error.message)
        if self._end.done():
            raise self._named(self._end.result())
        try:
            with self._in_flight, Deadline(call.timeout, self._alarms):
                reply = await self._service.call(call.route.name, arguments)
        except TimeoutError:
            if self._closing:
                raise failures.gone(self.server, "is being stopped") from None
            raise failures.late(call) from None
        except ServerUnavailable as error:
            if isinstance(error, Unreachable):
                self._lost(error)
            raise self._named(error) from None
        return reply or refused(_INVALID_PARAMS, f"server {self.server!r} has no tool {call.route.name!r}")

    async def request(self, method: str, params: bytes | None, timeout: float) -> Reply:
        if method == Kind.TOOLS.method:
            return Reply(dump({"resultType": "complete", "tools": [Raw(tool) for tool in self._service.tools]}))
        if method != "server/discover":
            return refused(_METHOD_NOT_FOUND, f"server {self.server!r} has tools only")
        try:
            with Deadline(timeout, self._alarms):
                await self._service.reach()
        except TimeoutError:
            raise failures.late_request(self.server, method, timeout) from None
        except Unreachable as error:
            self._lost(error)
            raise self._named(error) from None
        return Reply(b'{"resultType":"complete"}')

    async def subscribe(self, uri: str, more: bytes) -> Reply:
        return refused(_METHOD_NOT_FOUND, f"server {self.server!r} has no resources")

    async def unsubscribe(self, uri: str) -> Reply:
        return Reply(b"{}")

    async def closed(self) -> UpstreamError:
        return await asyncio.shield(self._end)

    async def close(self, grace: float) -> None:
        await self._in_flight.drained(grace)
        self._closing = True
        self._alarms.end()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        self._lost(failures.ended(self.server, "was stopped"))

    async def _keep_reading(self) -> None:
        while True:
            await asyncio.sleep(self._service.interval * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311  # jitter is no secret
            try:
                if await self._service.read_again():
                    self._news.changed(_TOOLS)
            except ToolgateError as error:
                _log.warning("server %r keeps its tools as they are: %s", self.server, error)

    def _lost(self, error: UpstreamError) -> None:
        if not self._end.done():
            self._end.set_result(error)

    def _named(self, error: UpstreamError) -> UpstreamError:
        """The same with the server's name in front, for the client whose call it ends."""
        return ServerUnavailable(f"server {self.server!r} {error.message}", hint=error.hint, server=self.server)


def _arguments(call: Call) -> Fields:
    """Null is none, as many clients write it. Raises `InvalidParams`."""
    raw = call.params.get("arguments")
    return fields(raw, "arguments") if raw is not None and bytes(raw) != b"null" else NOTHING
