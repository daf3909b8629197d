"""A link to a server behind a URL, over HTTP+SSE (2024-11-05, Transports, HTTP with SSE): one GET stream on which all
answers come, and a second address, which its first event names, to POST messages to."""

import asyncio
import logging
from contextlib import suppress
from typing import Final

from toolgate.errors import (
    DeadlineExceeded,
    ProtocolError,
    ServerUnavailable,
    SignInNeeded,
    StartFailed,
    UpstreamError,
)
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol import envelope
from toolgate.protocol.sse import Event
from toolgate.upstream import failures
from toolgate.upstream.background import Background
from toolgate.upstream.base import SessionLost
from toolgate.upstream.dispatch import DispatchingLink, wire_key
from toolgate.upstream.endpoint import EVENT_STREAM, Answer, Endpoint, Unreachable
from toolgate.upstream.era import INITIALIZE, initialize_params, initialized
from toolgate.upstream.refusal import refusal
from toolgate.upstream.relay import News

__all__ = ["SseLink", "connect"]

_ERRANDS: Final = 256  # notifications and answers to the server that are under way at a time
_ERRAND: Final = 5.0  # seconds that each may take
_FIRST_EVENT: Final = 15.0  # seconds for the event that names the address of messages
_SIGN_OF_LIFE: Final = 10.0  # seconds for a server whose stream was silent during a whole call

_log = logging.getLogger(__name__)


async def connect(endpoint: Endpoint, news: News, capabilities: bytes, refused: StartFailed) -> "SseLink":
    """`refused` is what the server said to Streamable HTTP: it is raised where there is no HTTP+SSE either."""
    link = SseLink(endpoint, news)
    try:
        await link.open(capabilities, refused)
    except BaseException:
        await link.close(0)
        raise
    return link


class SseLink(DispatchingLink):
    """An `upstream.base.Link`. It ends with its stream, which cannot be resumed."""

    def __init__(self, endpoint: Endpoint, news: News) -> None:
        super().__init__(endpoint.server, endpoint.limit, news)
        self._endpoint = endpoint
        self._messages: asyncio.Future[Endpoint] = asyncio.get_running_loop().create_future()
        self._reading: asyncio.Task[None] | None = None
        self._background = Background(_ERRANDS)
        self._heard = 0
        self._looking = False

    # Starting.

    async def open(self, capabilities: bytes, refused: StartFailed) -> None:
        """Raises `StartFailed` and `ServerUnavailable`, with a reason that follows the server's name."""
        self._reading = asyncio.create_task(self._read(refused), name=f"read {self.server}")
        try:
            async with asyncio.timeout(_FIRST_EVENT):
                await self._messages
        except TimeoutError:
            raise self._silent(
                f"said nothing on its event stream at {self._endpoint.origin} for {_FIRST_EVENT:g} s"
            ) from None
        key, answer = self._pending.open()
        await self._deliver(envelope.request(wire_key(key), INITIALIZE, initialize_params(capabilities)))
        try:
            hello = initialized(await answer)
        except ServerUnavailable as error:
            raise self._end.result() if self._end.done() else error from None
        self.version, self.catalogue_head = hello.version, hello.head
        await self._deliver(envelope.notification("notifications/initialized"))

    async def _read(self, refused: StartFailed) -> None:
        reason: UpstreamError
        try:
            answer = await self._endpoint.events(self._endpoint.decoder(self.oversized), self._hear)
        except UpstreamError as error:
            reason = error
        else:
            reason = self._why_ended(answer, refused)
        if not self._messages.done():
            self._messages.set_exception(reason)
        self._lost(reason)

    def _why_ended(self, answer: Answer, refused: StartFailed) -> UpstreamError:
        if answer.status in {401, 403}:
            return refusal(self._endpoint, answer)
        if answer.status != 200 or answer.media_type != EVENT_STREAM:
            return refused
        if not self._messages.done():
            return self._silent(f"ended its event stream at {self._endpoint.origin} without a word")
        return failures.ended(self.server, "ended its event stream")

    def _silent(self, reason: str) -> StartFailed:
        return StartFailed(reason, hint="check that its URL is that of an MCP server", server=self.server)

    def _address(self, event: Event) -> Endpoint:
        if event.event != "endpoint":
            raise StartFailed(
                f"does not speak MCP: its event stream at {self._endpoint.origin} begins with something else than an "
                "endpoint event",
                hint="check the path of its URL; it often ends in /mcp or /sse",
                server=self.server,
            )
        found = self._endpoint.beside(event.data.decode("utf-8", "replace").strip())
        if found is None:
            raise StartFailed(
                f"wants its messages sent to another origin than {self._endpoint.origin}, which is refused, since "
                "credentials would go there",
                hint="configure the URL under which the server knows itself",
                server=self.server,
            )
        return found

    # Link.

    async def send(self, call: Call) -> Reply:
        before = self._heard
        try:
            return await super().send(call)
        except DeadlineExceeded:
            if self._heard == before and not self._looking:
                self._looking = True
                self._background.spawn(self._look(before), f"look after {self.server}")
            raise

    async def _look(self, before: int) -> None:
        """A stream that something between the two ends has dropped looks like one on which nothing happens."""
        with suppress(UpstreamError):
            await self.request("ping", None, _SIGN_OF_LIFE)
        self._looking = False
        if self._heard == before:
            self._lost(failures.ended(self.server, "says nothing on its event stream any more"))

    async def close(self, grace: float) -> None:
        if not self._end.done():
            await self._in_flight.drained(grace)
        self._pending.fail_all(failures.gone(self.server, "is being stopped"))
        await self._background.close()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._messages.done() and not self._messages.cancelled() and not self._messages.exception():
            await self._messages.result().close()
        await self._endpoint.close()
        self._lost(failures.ended(self.server, "was stopped"))

    async def _ready(self) -> None:
        """Each message is a POST of its own: there is nothing to wait for."""

    async def _write(self, message: bytes) -> None:
        try:
            await self._deliver(message)
        except SessionLost as error:
            self._lost(error)
            raise
        except Unreachable as error:
            self._lost(error)
            raise self._named(error) from None
        except ServerUnavailable as error:
            raise self._named(error) from None

    def _post(self, message: bytes) -> None:
        self._background.spawn(self._tell(message), f"tell {self.server}")

    async def _tell(self, message: bytes) -> None:
        with suppress(TimeoutError, UpstreamError):  # best effort: nobody waits for it
            async with asyncio.timeout(_ERRAND):
                await self._deliver(message)

    async def _deliver(self, message: bytes) -> None:
        status = await (await self._messages).tell(message)
        if status == 404:
            raise SessionLost("has ended the session", server=self.server)
        if status in {401, 403}:
            raise SignInNeeded(f"refuses access at {self._endpoint.origin} ({status})", server=self.server)
        if status >= 300:
            raise ServerUnavailable(f"refused a message with {status}", server=self.server)

    def _named(self, error: UpstreamError) -> UpstreamError:
        """The same with the server's name in front, for the client whose call it ends."""
        kind = SignInNeeded if isinstance(error, SignInNeeded) else ServerUnavailable
        return kind(f"server {self.server!r} {error.message}", hint=error.hint, server=self.server)

    # What comes.

    def _hear(self, event: Event) -> None:
        self._heard += 1
        if not self._messages.done():
            self._messages.set_result(self._address(event))
        elif event.event == "message" and event.data:
            try:
                self._take(event.data)
            except ProtocolError as error:
                _log.debug("server %r sent an event that is not MCP: %s", self.server, error)
