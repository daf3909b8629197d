"""The front: who may come in at all, and to which room."""

from collections.abc import Awaitable, Callable
from secrets import token_hex
from typing import Final

from toolgate.errors import Draining, NotFound, ToolgateError, Unauthenticated
from toolgate.inbound.http import StreamableHttp
from toolgate.inbound.http_sse import HttpSse
from toolgate.inbound.rebinding import Hosts
from toolgate.inbound.wire import Disconnected, Receive, Scope, Send, refuse, respond
from toolgate.model.principal import Principal
from toolgate.observe.logs import request_id
from toolgate.protocol.envelope import dump

__all__ = ["App", "Application"]

Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_CHALLENGE: Final = ((b"www-authenticate", b'Bearer realm="toolgate"'),)


class App:
    """The ASGI application. `ready` says whether it serves; `authenticate` takes the `Authorization` header."""

    def __init__(
        self,
        mcp: StreamableHttp,
        sse: HttpSse,
        control: Application,
        *,
        hosts: Hosts,
        authenticate: Callable[[str | None], Principal],
        ready: Callable[[], bool],
    ) -> None:
        self._mcp = mcp
        self._sse = sse
        self._control = control
        self._hosts = hosts
        self._authenticate = authenticate
        self._ready = ready

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        name = token_hex(8)
        context = request_id.set(name)
        try:
            await self._route(scope, receive, send, name)
        except Unauthenticated as error:
            await refuse(send, error, head=_CHALLENGE)
        except ToolgateError as error:
            await refuse(send, error)
        except Disconnected:
            pass
        finally:
            request_id.reset(context)

    async def _route(self, scope: Scope, receive: Receive, send: Send, name: str) -> None:
        path: str = scope["path"]
        if path == "/healthz":
            await respond(send, 200, b'{"alive":true}')
            return
        if path == "/readyz":
            await respond(send, 200 if self._ready() else 503, dump({"ready": self._ready()}))
            return
        self._hosts.check(scope["headers"])
        principal = self._authenticate(_authorization(scope))
        if not self._ready():
            raise Draining("the gateway is stopping", hint="try again in a moment")
        if path.endswith("/mcp"):
            await self._mcp(scope, receive, send, path, principal, name)
        elif self._sse.serves(path):
            await self._sse(scope, receive, send, path, principal, name)
        elif path.startswith("/api/"):
            await self._control(scope, receive, send)
        elif path == "/":
            await respond(send, 200, dump({"toolgate": "an MCP gateway", "mcp": "/mcp", "servers": "/api/v1/servers"}))
        else:
            raise NotFound(f"there is nothing at {path}", hint="the MCP endpoint is /mcp")


def _authorization(scope: Scope) -> str | None:
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(values) > 1:
        raise Unauthenticated("Authorization is given more than once")
    return values[0].decode("latin-1") if values else None
