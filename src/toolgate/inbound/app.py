"""The front: who may come in at all, and to which room."""

from collections.abc import Awaitable, Callable
from itertools import count as numbers
from secrets import token_hex
from time import monotonic
from typing import Final, NamedTuple

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
_ADMITTED: Final = 1.0  # seconds until a head that came before is looked at again: its key may expire
_OPEN: Final = frozenset({"/healthz", "/readyz"})  # what a supervisor asks, which has no key


AtOnce = Callable[[Request, Principal, str], bool]
"""Takes a request on that needs no task, see `Express.take`."""


class _Admitted(NamedTuple):
    """Who was let in with a head, with which revision of the keys, and until when nobody looks again."""

    principal: Principal
    keys: int
    until: float


class App:
    """Implements `http.server.Application`. `ready` says whether it serves; `authenticate` takes the `Authorization`
    header, and what it says holds until `keys` says otherwise; `exposition` makes the body of `/metrics` for an
    `Accept`; `request_bytes` bounds a request's body; `count` hears which limit refused a request."""

    def __init__(
        self,
        mcp: StreamableHttp,
        sse: HttpSse,
        control: AsgiApplication,
        exposition: Callable[[str], Awaitable[tuple[bytes, str]]],
        *,
        hosts: Hosts,
        authenticate: Callable[[bytes | None], Principal],
        keys: Callable[[], int] = lambda: 0,
        ready: Callable[[], bool],
        request_bytes: int,
        at_once: AtOnce | None = None,
        count: Callable[[str], None] = lambda limit: None,
    ) -> None:
        self._mcp = mcp
        self._sse = sse
        self._control = control
        self._exposition = exposition
        self._hosts = hosts
        self._authenticate = authenticate
        self._keys = keys
        self._at_once = at_once
        self._count = count
        self._ready = ready
        self._limit = request_bytes
        self._busy = refused(_BUSY)
        self._process = token_hex(4)
        self._numbers = numbers(1)

    def admit(self, request: Request) -> int | Answer:
        """The order is that of revision 2026-07-28, Streamable HTTP, Security: where it comes from, then who sends it;
        and all of that before a body is waited for."""
        if request.path in _OPEN:
            return 0
        known = request.headers.admitted
        if isinstance(known, _Admitted) and known.until > monotonic() and known.keys == self._keys() and self._ready():
            request.context = known.principal
            return self._limit
        try:
            self._hosts.check(request.headers)
            keys = self._keys()
            request.context = self._authenticate(_authorization(request.headers))
            if not self._ready():
                raise Draining("the gateway is stopping", hint="try again in a moment")
            request.headers.admitted = _Admitted(request.context, keys, monotonic() + _ADMITTED)
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
        self._count("queue")
        return self._busy

    def at_once(self, request: Request) -> bool:
        take = self._at_once
        return take is not None and request.path.endswith("/mcp") and take(request, request.context, self._name())

    def __call__(self, request: Request) -> Awaitable[None]:
        name = self._name()
        request_id.set(name)
        if request.path.endswith("/mcp"):
            return self._mcp(request, request.context, name)
        return self._elsewhere(request, request.context, name)

    def _name(self) -> str:
        return f"{self._process}{next(self._numbers):08x}"

    async def _elsewhere(self, request: Request, principal: Principal, name: str) -> None:
        path = request.path
        if self._sse.serves(path):
            await self._sse(request, principal, name)
        elif path.startswith(("/api/", "/functions/")):
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
