"""`/api/v1/cards` and `/api/v1/connections`: servers for owners, from cards or definitions."""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

from pydantic import BaseModel

from toolgate.control.bodies import ConnectionList, Fault, Install, SaveCard, Tested, ToolList, Update, parsed
from toolgate.control.connecting import Connecting
from toolgate.control.events import Changes
from toolgate.control.idempotency import Idempotency
from toolgate.control.routes import Answered, Handler, Params, Route, Streamed
from toolgate.control.shown import Shown
from toolgate.errors import ToolgateError
from toolgate.model.connection import Connection
from toolgate.model.principal import Principal

__all__ = ["ConnectionRoutes", "Trial"]

_KEY: Final = "idempotency-key"
_SERVER: Final = "servers/{name}/"

Trial = Callable[[Connection], Awaitable[tuple[str, ...]]]
"""Start its server once, apart from all that is served, and answer the names of its tools. Raises `ToolgateError`."""


class ConnectionRoutes:
    """- `GET cards`, `cards/{name}`; `POST cards`, `DELETE cards/{name}?owner=` for those that people add
    - `GET connections?owner=`, `connections/{id}`; `POST connections`; `PATCH` and `DELETE connections/{id}`
    - `POST connections/{id}/test`; `GET connections/{id}/tools`; `GET connections/health?owner=`
    - `start`, `stop`, `restart`, `logs` and `timeline` of a connection are those of its server
    - `GET events`: server-sent events `server` and `connection`

    A request that changes something may have an `Idempotency-Key`.
    """

    def __init__(
        self, connecting: Connecting, shown: Shown, trial: Trial, changes: Changes, lives: Iterable[Route] = ()
    ) -> None:
        """`lives` are the routes `servers/{name}/…` that connections have, too."""
        self._connecting = connecting
        self._shown = shown
        self._trial = trial
        self._changes = changes
        self._idempotency = Idempotency()
        self.routes: list[Route] = [
            ("GET", "cards", self._cards),
            ("GET", "cards/{name}", self._card),
            ("POST", "cards", self._save_card),
            ("DELETE", "cards/{name}", self._remove_card),
            ("GET", "connections", self._list),
            ("GET", "connections/health", self._health),
            ("GET", "connections/{id}", self._one),
            ("GET", "connections/{id}/tools", self._tools),
            ("POST", "connections", self.once(self._install)),
            ("PATCH", "connections/{id}", self.once(self._update)),
            ("DELETE", "connections/{id}", self.once(self._remove)),
            ("POST", "connections/{id}/test", self._test),
            ("GET", "events", self._events),
        ]
        self.of_servers: Mapping[str, Handler] = {
            pattern.removeprefix(_SERVER): handler for _, pattern, handler in lives if pattern.startswith(_SERVER)
        }
        self.routes += [
            (method, "connections/{id}/" + pattern.removeprefix(_SERVER), partial(self._of_server, handler))
            for method, pattern, handler in lives
            if pattern.startswith(_SERVER)
        ]

    def once(self, handler: Handler) -> Handler:
        """It, with regard to `Idempotency-Key`."""

        async def answer(principal: Principal, params: Params, body: bytes) -> Any:
            what = f"{handler.__qualname__} {params.get('id', '')}"
            work = partial(handler, principal, params, body)
            return await self._idempotency.once(principal.id, what, params.headers.get(_KEY), body, work)

        return answer

    async def _cards(self, principal: Principal, params: Params, body: bytes) -> dict[str, Any]:
        return {"cards": [card.to_json() for card in await self._connecting.cards(principal)]}

    async def _card(self, principal: Principal, params: Params, body: bytes) -> dict[str, Any]:
        return (await self._connecting.card(principal, params["name"])).to_json()

    async def _save_card(self, principal: Principal, params: Params, body: bytes) -> Answered:
        return Answered(201, (await self._connecting.save_card(principal, parsed(SaveCard, body))).to_json())

    async def _remove_card(self, principal: Principal, params: Params, body: bytes) -> dict[str, Any]:
        await self._connecting.remove_card(principal, params["name"], params.get("owner"))
        return {"removed": params["name"]}

    async def _list(self, principal: Principal, params: Params, body: bytes) -> dict[str, Any]:
        found = await self._connecting.all(principal, params.get("owner"))
        return told(ConnectionList(connections=tuple(self._shown.all(found))))

    async def _health(self, principal: Principal, params: Params, body: bytes) -> dict[str, Any]:
        owner = params.get("owner")
        return told(self._shown.health(await self._connecting.all(principal, owner), owner))

    async def _one(self, principal: Principal, params: Params, body: bytes) -> dict[str, Any]:
        return self._told(await self._connecting.get(principal, params["id"]))

    async def _tools(self, principal: Principal, params: Params, body: bytes) -> dict[str, Any]:
        found = await self._connecting.get(principal, params["id"])
        return told(ToolList(tools=tuple(self._shown.tools(found))))

    async def _install(self, principal: Principal, params: Params, body: bytes) -> Answered:
        made = await self._connecting.install(principal, parsed(Install, body))
        self._tell("installed", made)
        return Answered(201, self._told(made))

    async def _update(self, principal: Principal, params: Params, body: bytes) -> dict[str, Any]:
        changed = await self._connecting.update(principal, params["id"], parsed(Update, body))
        self._tell("changed", changed)
        return self._told(changed)

    async def _remove(self, principal: Principal, params: Params, body: bytes) -> dict[str, Any]:
        gone = await self._connecting.remove(principal, params["id"])
        self._tell("removed", gone)
        return {"removed": gone.id}

    async def _test(self, principal: Principal, params: Params, body: bytes) -> dict[str, Any]:
        return told(await self.tested(await self._connecting.get(principal, params["id"])))

    async def tested(self, connection: Connection) -> Tested:
        began = time.perf_counter()
        tools: tuple[str, ...] = ()
        fault: Fault | None = None
        try:
            tools = await self._trial(connection)
        except ToolgateError as error:
            fault = Fault(code=error.code, message=error.message, hint=error.hint)
        took = round((time.perf_counter() - began) * 1000, 1)
        return Tested(ok=fault is None, took_ms=took, tools=tools, error=fault)

    async def _of_server(self, handler: Handler, principal: Principal, params: Params, body: bytes) -> Any:
        found = await self._connecting.get(principal, params["id"])
        return await handler(principal, Params({"name": found.server}, params.query, params.headers), body)

    async def _events(self, principal: Principal, params: Params, body: bytes) -> Streamed:
        return Streamed(self._changes.subscribe(principal))

    def _told(self, connection: Connection) -> dict[str, Any]:
        return told(self._shown.one(connection))

    def _tell(self, what: str, connection: Connection) -> None:
        facts = {"change": what, "id": connection.id, "name": connection.name, "server": connection.server}
        self._changes.tell("connection", connection.owner, facts)


def told(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(mode="json")
