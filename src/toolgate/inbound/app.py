"""The front: who may come in at all, and to which room."""

from collections.abc import Awaitable, Callable
from itertools import count
from secrets import token_hex
from typing import Final

from toolgate.errors import Draining, NotFound, Overloaded, RequestTooLarge, ToolgateError, Unauthenticated
from toolgate.http import asgi
from toolgate.http.asgi import AsgiApplication
from toolgate.http.headers import Headers
from toolgate.http.request import Answer, Request
from toolgate.inbound.http import StreamableHttp
from toolgate.inbound.http_sse import HttpSse
from toolgate.inbound.rebinding import Hosts
from toolgate.inbound.wire import refuse, refused
from toolgate.model.principal import Principal
from toolgate.observe.logs import request_id
from toolgate.protocol.envelope import dump

__all__ = ["App"]

_CHALLENGE: Final = ((b"www-authenticate", b'Bearer realm="toolgate"'),)
_BUSY: Final = Overloaded(
    "this gateway has more to do than it can",
    hint="try again in a moment; more workers (`toolgate up --workers N`) carry more",
    retry_after=1,
)
_OPEN: Final = frozenset({"/healthz", "/readyz"})  # what a supervisor asks, which has no key


class App:
    """Implements `http.server.Application`. `ready` says whether it serves; `authenticate` takes the `Authorization`
    header; `exposition` makes the body of `/metrics` for an `Accept`; `request_bytes` bounds a request's body."""

    def __init__(
        self,
        mcp: StreamableHttp,
        sse: HttpSse,
        control: AsgiApplication,
        exposition: Callable[[str], Awaitable[tuple[bytes, str]]],
        *,
        hosts: Hosts,
        authenticate: Callable[[bytes | None], Principal],
        ready: Callable[[], bool],
        request_bytes: int,
    ) -> None:
        self._mcp = mcp
        self._sse = sse
        self._control = control
        self._exposition = exposition
        self._hosts = hosts
        self._authenticate = authenticate
        self._ready = ready
        self._limit = request_bytes
        self._busy = refused(_BUSY)
        self._process = token_hex(4)
        self._numbers = count(1)

    def admit(self, request: Request) -> int | Answer:
        """The order is that of revision 2026-07-28, Streamable HTTP, Security: where it comes from, then who sends it;
        and all of that before a body is waited for."""
        if request.path in _OPEN:
            return 0
        try:
            self._hosts.check(request.headers)
            request.context = self._authenticate(_authorization(request.headers))
            if not self._ready():
                raise Draining("the gateway is stopping", hint="try again in a moment")
            announced = request.headers.get(b"content-length")
            if announced is not None and announced.isdigit() and int(announced) > self._limit:
                return self.too_large()
        except Unauthenticated as error:
            return refused(error, head=_CHALLENGE)
        except ToolgateError as error:
            return refused(error)
        return self._limit

    def too_large(self) -> Answer:
        hint = "raise limits.request_bytes if it must be"
        return refused(RequestTooLarge(f"the request is larger than {self._limit} bytes", hint=hint))

    def too_busy(self) -> Answer:
        return self._busy

    def __call__(self, request: Request) -> Awaitable[None]:
        name = f"{self._process}{next(self._numbers):08x}"
        request_id.set(name)  # in the context of this request's own task
        if request.path.endswith("/mcp"):
            return self._mcp(request, request.context, name)
        return self._elsewhere(request, request.context, name)

    async def _elsewhere(self, request: Request, principal: Principal, name: str) -> None:
        path = request.path
        if self._sse.serves(path):
            await self._sse(request, principal, name)
        elif path.startswith("/api/"):
            try:
                await asgi.answer(request, self._control)
            except ToolgateError as error:
                refuse(request, error)
        elif path == "/metrics":
            body, content = await self._exposition(request.headers.text(b"accept"))
            request.respond(200, body, content=b"content-type: %b\r\n" % content.encode())
        elif path == "/healthz":
            request.respond(200, b'{"alive":true}')
        elif path == "/readyz":
            request.respond(200 if self._ready() else 503, dump({"ready": self._ready()}))
        elif path == "/":
            request.respond(200, dump({"toolgate": "an MCP gateway", "mcp": "/mcp", "servers": "/api/v1/servers"}))
        else:
            answer = refused(NotFound(f"there is nothing at {path}", hint="the MCP endpoint is /mcp"))
            request.respond(answer.status, answer.body, answer.head)


def _authorization(headers: Headers) -> bytes | None:
    if headers.repeats and len(headers.all(b"authorization")) > 1:
        raise Unauthenticated("Authorization is given more than once")
    return headers.get(b"authorization")
