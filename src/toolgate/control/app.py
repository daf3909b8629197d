"""The REST API under `/api/v1`. Who may call it has been decided before."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from functools import partial
from typing import Any, Final, Protocol

from toolgate import __version__
from toolgate.control.openapi import document
from toolgate.control.records import Records
from toolgate.control.routes import ACCOUNTS, ROOT, Answered, Params, Route, Router, Streamed
from toolgate.errors import ConfigError, Forbidden, NotFound, ToolgateError, UpstreamError
from toolgate.http.asgi import Receive, Scope, Send, respond
from toolgate.model.owner import EVERYBODY, acts_for, is_seen
from toolgate.model.principal import LOCAL, Principal
from toolgate.protocol.envelope import dump
from toolgate.protocol.eras import LEGACY_VERSIONS, MODERN_VERSIONS

__all__ = ["Control", "Governed", "entry_of"]

_NO_STORE = (b"cache-control", b"no-store")
_SERVERS: Final = ROOT + "servers/"


class Governed(Protocol):
    """A gateway as far as this room needs to know it."""

    def report(self) -> list[dict[str, Any]]:
        """One entry a server."""
        ...

    async def reload(self) -> object:
        """Read the configuration again. Raises `ConfigError`; the old one then stays."""
        ...


class Control:
    """An ASGI application. Errors are `{"error": {"code", "message", "hint"}}`.

    - `GET servers`: `{"servers": [entry, …]}`; `GET servers/{name}`: one entry
    - `GET health`: what `control.health.HealthReport` answers
    - `GET usage`, `usage.csv`, `advice`, `audit`: what `control.records.Records` answers
    - `GET version`: `{"name", "version", "protocol": [revision, …]}`
    - `POST reload`: `{"servers": [entry, …]}` as they are right after; 422 where the configuration is invalid

    Other rooms bring `more` routes, such as `control.lives.Lives`.
    """

    def __init__(
        self,
        gateway: Governed,
        *,
        health: Callable[[Principal], dict[str, Any]] | None = None,
        records: Records | None = None,
        more: Iterable[Route] = (),
        accounts: Iterable[Route] = (),
    ) -> None:
        """`accounts` are those of `control.accounts`, which have a root of their own."""
        self._gateway = gateway
        self._accounts = Router(accounts, ACCOUNTS)
        self._router = Router(
            [
                ("GET", "servers", self._servers),
                ("GET", "servers/{name}", self._server),
                ("GET", "version", self._version),
                ("POST", "reload", self._reload),
                ("GET", "openapi.json", self._document),
                *more,
            ]
        )
        if health is not None:
            self._router.add([("GET", "health", partial(_told, health))])
        if records is not None:
            self._router.add(
                [
                    ("GET", "usage", partial(_found, records.usage)),
                    ("GET", "usage.csv", partial(_found, records.usage_csv)),
                    ("GET", "advice", partial(_found, records.advice)),
                    ("GET", "audit", partial(_found, records.audit)),
                ]
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await self._answer(scope, receive)
        except ToolgateError as error:
            answer = Answered(_status(error), _failure(error))
        if isinstance(answer, Streamed):
            await _stream(receive, send, answer)
        elif isinstance(answer, Answered):
            body = answer.body if isinstance(answer.body, bytes) else dump(answer.body)
            await respond(send, answer.status, body, (_NO_STORE, *answer.head), content=answer.content)
        elif isinstance(answer, str):
            await respond(send, 200, answer.encode(), (_NO_STORE,), content=b"text/csv; charset=utf-8")
        else:
            await respond(send, 200, dump(answer), (_NO_STORE,))

    async def _answer(self, scope: Scope, receive: Receive) -> Any:
        method = scope["method"]
        path = scope["path"]
        router = self._accounts if path.startswith(ACCOUNTS) else self._router
        handler, named = router.find(method, path)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        params = Params(named, scope.get("query_string", b""), headers)
        known = scope.get("state", {}).get("context")
        principal = known if isinstance(known, Principal) else LOCAL
        if path.startswith(_SERVERS) and "name" in named:
            self._check(principal, named["name"], method, path)
        body = b"" if method == "GET" else (await receive()).get("body", b"")
        return await handler(principal, params, body)

    def _check(self, principal: Principal, name: str, method: str, path: str) -> None:
        """Of a server, who does not act for its owner sees no more than that it is there, and nothing of one that was
        installed for others. Raises `NotFound` and `Forbidden`."""
        owner = entry_of(self._gateway, name).get("owner", EVERYBODY)
        if acts_for(principal, owner):
            return
        if owner != EVERYBODY:
            raise NotFound(f"there is no server {name}", hint="GET /api/v1/servers lists them")
        if method != "GET" or path.endswith("/logs"):
            raise Forbidden(f"server {name} is not {principal.name!r}'s", hint="ask who runs this gateway")

    def _report(self, principal: Principal) -> list[dict[str, Any]]:
        return [entry for entry in self._gateway.report() if is_seen(principal, entry.get("owner", EVERYBODY))]

    async def _servers(self, principal: Principal, params: Params, body: bytes) -> dict[str, Any]:
        return {"servers": self._report(principal)}

    async def _server(self, principal: Principal, params: Params, body: bytes) -> dict[str, Any]:
        return entry_of(self._gateway, params["name"])

    async def _version(self, principal: Principal, params: Params, body: bytes) -> dict[str, Any]:
        return {"name": "toolgate", "version": __version__, "protocol": [*MODERN_VERSIONS, *LEGACY_VERSIONS]}

    async def _document(self, principal: Principal, params: Params, body: bytes) -> dict[str, Any]:
        return await asyncio.to_thread(document, [*self._router, *self._accounts])  # 20 ms

    async def _reload(self, principal: Principal, params: Params, body: bytes) -> dict[str, Any]:
        await self._gateway.reload()
        return {"servers": self._report(principal)}


async def _told(
    what: Callable[[Principal], dict[str, Any]], principal: Principal, params: Params, body: bytes
) -> dict[str, Any]:
    return what(principal)


async def _found(
    what: Callable[[bytes], Awaitable[dict[str, Any] | str]], principal: Principal, params: Params, body: bytes
) -> dict[str, Any] | str:
    return await what(params.query)


async def _stream(receive: Receive, send: Send, answer: Streamed) -> None:
    """Until it ends, or its client has gone."""
    work = asyncio.current_task()
    gone = asyncio.ensure_future(_gone(receive))
    gone.add_done_callback(lambda done: done.cancelled() or work is None or work.cancel())
    try:
        await _pass_on(send, answer)
    finally:
        gone.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _pass_on(send: Send, answer: Streamed) -> None:
    head = [(b"content-type", answer.content), _NO_STORE, (b"x-accel-buffering", b"no")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    async with aclosing(answer.chunks) as chunks:
        async for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def entry_of(gateway: Governed, name: str) -> dict[str, Any]:
    """Raises `NotFound`."""
    for entry in gateway.report():
        if entry["name"] == name:
            return entry
    raise NotFound(f"there is no server {name}", hint="GET /api/v1/servers lists them")


def _status(error: ToolgateError) -> int:
    if isinstance(error, ConfigError):
        return 422
    return 503 if isinstance(error, UpstreamError) else error.http


def _failure(error: ToolgateError) -> dict[str, Any]:
    return {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
