"""`/functions/v1/mcp-connections/…`: the operations on connections in the words of accounts.

Every one is a POST with an object; `health` is a GET, too. The account is an owner: `user:NAME`, `team:NAME`, or the
bare name of a user or of one of the caller's teams.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from toolgate.control.bodies import Deployed, Deployment, Install, Operation, Update, parsed
from toolgate.control.connecting import Connecting
from toolgate.control.connections import ConnectionRoutes, told
from toolgate.control.routes import Answered, Handler, Params, Route
from toolgate.control.shown import Shown
from toolgate.errors import InvalidParams
from toolgate.model.connection import Connection
from toolgate.model.life import Phase
from toolgate.model.owner import owners_of
from toolgate.model.principal import LOCAL, Principal

__all__ = ["AccountRoutes"]

_STATES: Final[Mapping[str, str]] = {
    Phase.PENDING.value: "mcpPending",
    Phase.DEPLOYING.value: "mcpDeploying",
    Phase.RUNNING.value: "mcpRunning",
    Phase.STOPPED.value: "mcpStopped",
    Phase.ERROR.value: "mcpError",
}


class AccountRoutes:
    """The patterns of its `routes` are relative to `routes.ACCOUNTS`."""

    def __init__(self, connecting: Connecting, shown: Shown, connections: ConnectionRoutes) -> None:
        self._connecting = connecting
        self._shown = shown
        self._tested = connections.tested
        once = connections.once
        self.routes: list[Route] = [
            ("POST", "install", once(self._install)),
            ("POST", "update", once(self._update)),
            ("POST", "remove", once(self._remove)),
            ("POST", "test", self._test),
            ("POST", "health", self._health),
            ("GET", "health", self._health),
        ]
        self.routes += [
            ("POST", name, partial(self._of_server, handler))
            for name, handler in connections.of_servers.items()
            if name in {"start", "stop", "restart", "logs"}
        ]

    async def _install(self, principal: Principal, params: Params, body: bytes) -> Answered:
        asked = parsed(Deployment, body)
        made = await self._connecting.install(
            principal,
            Install(
                card=asked.mcp_server_id,
                owner=_owner(principal, asked.account_id),
                title=asked.title,
                values=asked.provided_credential_schema,
            ),
        )
        return Answered(201, self._told(made))

    async def _update(self, principal: Principal, params: Params, body: bytes) -> dict[str, Any]:
        asked = parsed(Operation, body)
        found = await self._found(principal, asked)
        update = Update(title=asked.title, values=asked.provided_credential_schema)
        return self._told(await self._connecting.update(principal, found.id, update))

    async def _remove(self, principal: Principal, params: Params, body: bytes) -> dict[str, Any]:
        found = await self._found(principal, parsed(Operation, body))
        await self._connecting.remove(principal, found.id)
        return {"removed": found.id}

    async def _test(self, principal: Principal, params: Params, body: bytes) -> dict[str, Any]:
        found = await self._found(principal, parsed(Operation, body))
        return {**self._told(found), "test": told(await self._tested(found))}

    async def _health(self, principal: Principal, params: Params, body: bytes) -> dict[str, Any]:
        account = params.get("account_id") or (parsed(Operation, body).account_id if body else None)
        owner = _owner(principal, account)
        found = await self._connecting.all(principal, owner)
        health = told(self._shown.health(found, owner))
        connections = [
            {**one, "state": _STATES[one["state"]], "mcp_server_id": connection.card or connection.name}
            for one, connection in zip(health["connections"], found, strict=True)
        ]
        return {"account_id": owner, "status": health["status"], "connections": connections}

    async def _of_server(self, handler: Handler, principal: Principal, params: Params, body: bytes) -> dict[str, Any]:
        found = await self._found(principal, parsed(Operation, body))
        answer = await handler(principal, Params({"name": found.server}, b"", params.headers), b"")
        lines = {"lines": answer["lines"]} if isinstance(answer, dict) and "lines" in answer else {}
        return {**self._told(found), **lines}

    async def _found(self, principal: Principal, asked: Operation) -> Connection:
        if asked.connection_id is not None:
            return await self._connecting.get(principal, asked.connection_id)
        if asked.mcp_server_id is None:
            raise InvalidParams("`connection_id` is missing", hint="or give `mcp_server_id` and `account_id`")
        owner = _owner(principal, asked.account_id)
        return await self._connecting.find(principal, owner, asked.mcp_server_id)

    def _told(self, connection: Connection) -> dict[str, Any]:
        shown = self._shown.one(connection)
        return told(
            Deployed(
                connection_id=shown.id,
                mcp_server_id=shown.card or shown.name,
                account_id=shown.owner,
                title=shown.title,
                status=_STATES[shown.state],
                error=shown.reason if shown.state == Phase.ERROR else "",
                tools_available=shown.tools,
                provided_credential_schema=shown.inputs,
            )
        )


def _owner(principal: Principal, account: str | None) -> str:
    """This machine's own user names any account; everybody else one of theirs."""
    mine = owners_of(principal)
    if not account:
        return mine[0]
    if account in mine or account.startswith(("user:", "team:")):
        return account
    own = [owner for owner in mine if owner.partition(":")[2] == account]
    return own[0] if own and principal.id != LOCAL.id else f"user:{account}"
