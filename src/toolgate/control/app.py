"""The REST API under `/api/v1`. Who may call it has been decided before."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, Protocol

from toolgate import __version__
from toolgate.control.records import Records
from toolgate.errors import ConfigError, InvalidRequest, NotFound, ToolgateError
from toolgate.http.asgi import Receive, Scope, Send, respond
from toolgate.protocol.envelope import dump
from toolgate.protocol.eras import LEGACY_VERSIONS, MODERN_VERSIONS

__all__ = ["Control", "Governed"]

_ROOT: Final = "/api/v1/"


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
    """

    def __init__(
        self,
        gateway: Governed,
        *,
        health: Callable[[], dict[str, Any]] | None = None,
        records: Records | None = None,
    ) -> None:
        self._gateway = gateway
        self._routes: dict[str, tuple[str, Callable[[], Awaitable[dict[str, Any]]]]] = {
            "servers": ("GET", self._servers),
            "version": ("GET", self._version),
            "reload": ("POST", self._reload),
        }
        if health is not None:
            self._routes["health"] = ("GET", partial(self._told, health))
        self._asked: dict[str, Callable[[bytes], Awaitable[dict[str, Any] | str]]] = {}
        if records is not None:
            self._asked = {
                "usage": records.usage,
                "usage.csv": records.usage_csv,
                "advice": records.advice,
                "audit": records.audit,
            }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            status, answer = 200, await self._answer(scope["method"], scope["path"], scope.get("query_string", b""))
        except ToolgateError as error:
            status, answer = _status(error), _failure(error)
        head = ((b"cache-control", b"no-store"),)
        if isinstance(answer, str):
            await respond(send, status, answer.encode(), head, content=b"text/csv; charset=utf-8")
        else:
            await respond(send, status, dump(answer), head)

    async def _answer(self, method: str, path: str, query: bytes) -> dict[str, Any] | str:
        what, _, name = path.removeprefix(_ROOT).partition("/")
        known = what in self._routes or what in self._asked
        if not path.startswith(_ROOT) or not known or (name and what != "servers"):
            raise NotFound(f"there is nothing at {path}", hint="see GET /api/v1/servers")
        allowed, answer = self._routes.get(what) or ("GET", partial(self._asked[what], query))
        if method != allowed:
            raise _MethodNotAllowedError(f"{path} answers {allowed} only")
        return self._server(name) if name else await answer()

    async def _servers(self) -> dict[str, Any]:
        return {"servers": self._gateway.report()}

    def _server(self, name: str) -> dict[str, Any]:
        for entry in self._gateway.report():
            if entry["name"] == name:
                return entry
        raise NotFound(f"there is no server {name}", hint="GET /api/v1/servers lists them")

    async def _told(self, what: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        return what()

    async def _version(self) -> dict[str, Any]:
        return {"name": "toolgate", "version": __version__, "protocol": [*MODERN_VERSIONS, *LEGACY_VERSIONS]}

    async def _reload(self) -> dict[str, Any]:
        await self._gateway.reload()
        return await self._servers()


class _MethodNotAllowedError(InvalidRequest):
    code = "method-not-allowed"
    http = 405


def _status(error: ToolgateError) -> int:
    return 422 if isinstance(error, ConfigError) else error.http


def _failure(error: ToolgateError) -> dict[str, Any]:
    return {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
