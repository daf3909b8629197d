"""A GraphQL endpoint on loopback, on graphql-core itself."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from graphql import GraphQLError, build_schema, graphql

SCHEMA = Path(__file__).parent / "shop.graphql"
SECRET = "hunter2-secret"

_CUSTOMER = {"__typename": "Customer", "id": "c1", "name": "Ada"}


def _order(key: str, status: str = "OPEN") -> dict[str, Any]:
    value: dict[str, Any] = {"total": 1.5, "at": "2026-01-01", "lines": [{"sku": "tea", "count": 2}]}
    return {"__typename": "Order", "id": key, "status": status, "customer": _CUSTOMER, **value}


class Root:
    def order(self, _: Any, id: str) -> dict[str, Any] | None:  # noqa: A002  # as the schema has it
        if id == "bad":
            raise GraphQLError(f"the key {SECRET} may not see it")
        return _order(id) if id != "none" else None

    def orders(self, _: Any, first: int | None = None, after: str | None = None, status: Any = None) -> dict[str, Any]:
        edges = [{"cursor": after or "start", "node": _order(f"o{n}")} for n in range(first or 2)]
        return {"edges": edges, "pageInfo": {"hasNextPage": True, "endCursor": "end"}}

    def find(self, _: Any, text: str) -> list[dict[str, Any]]:
        return [_CUSTOMER, {"__typename": "Line", "sku": text, "count": 1}]

    def version(self, _: Any, set: str = "1") -> str:  # noqa: A002
        return set

    def search(self, _: Any, q: str) -> list[str]:
        return [q]

    def select(self, _: Any, select: str | None = None) -> dict[str, Any]:
        return _order(select or "x")

    def node(self, _: Any, id: str) -> dict[str, Any]:  # noqa: A002
        return _order(id)

    def place(self, _: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: A002
        return {**_order("new", input["status"]), "lines": input["lines"]}


@dataclass
class Shop:
    """`introspects`: it tells its schema. `broken` is answered to everything."""

    introspects: bool = True
    broken: web.Response | None = None
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    async def handle(self, request: web.Request) -> web.Response:
        if self.broken is not None:
            return self.broken
        message = await request.json()
        self.headers = dict(request.headers)
        if "__schema" in message["query"]:
            if not self.introspects:
                return web.json_response({"errors": [{"message": "introspection is disabled"}]}, status=400)
        else:
            self.asked.append(message)
        schema = build_schema(SCHEMA.read_text())
        done = await graphql(schema, message["query"], Root(), variable_values=message.get("variables"))
        return web.Response(text=json.dumps(done.formatted), content_type="application/graphql-response+json")

    @property
    def last(self) -> dict[str, Any]:
        return self.asked[-1]


@asynccontextmanager
async def serving(shop: Shop) -> AsyncIterator[Shop]:
    app = web.Application()
    app.router.add_post("/graphql", shop.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    shop.url = f"http://{host}:{port}/graphql"
    try:
        yield shop
    finally:
        await runner.cleanup()
