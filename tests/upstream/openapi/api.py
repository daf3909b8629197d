"""A web API on loopback that keeps what it was asked, and the descriptions of it."""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

PETSTORE = Path(__file__).parent / "petstore.yaml"
GNARLY = Path(__file__).parent / "gnarly.json"

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Asked:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Api:
    """`answers` go before the API's own; they are found by method and path."""

    description: bytes = b""
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    pets: dict[int, dict[str, Any]] = field(default_factory=lambda: {1: {"id": 1, "name": "Rex", "tag": "dog"}})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/openapi" and "GET /openapi" not in self.answers:
            return web.Response(body=self.description, content_type="application/octet-stream")
        headers = dict(request.headers)
        self.asked.append(Asked(request.method, request.raw_path, headers, await request.read()))
        if answer := self.answers.get(f"{request.method} {request.path}"):
            return await answer(request)
        if request.path.startswith("/v1/pets"):
            return await self._pets(request)
        return web.json_response({"target": request.raw_path, "headers": headers})

    async def _pets(self, request: web.Request) -> web.Response:
        if request.headers.get("X-Api-Key") != "hunter2-secret":
            return web.json_response(
                {"title": "No key", "detail": f"not {request.headers.get('X-Api-Key')}"}, status=401
            )
        if request.method == "POST":
            pet = {"id": len(self.pets) + 1, **await request.json()}
            self.pets[pet["id"]] = pet
            return web.json_response(pet, status=201)
        last = request.path.rpartition("/")[2]
        if last == "pets":
            page = int(request.query.get("page", "1"))
            link = {"Link": f'</v1/pets?page={page + 1}>; rel="next", </v1/pets>; rel="first"'} if page < 2 else {}
            return web.json_response(list(self.pets.values()), headers=link)
        if request.path.endswith("/photo"):
            return web.Response(body=b"\x89PNG\r\n", content_type="image/png")
        if not last.isdigit() or int(last) not in self.pets:
            problem = {"type": "about:blank", "title": "No such pet", "detail": f"there is no pet {last}", "pet": last}
            return web.Response(status=404, body=json.dumps(problem), content_type="application/problem+json")
        if request.method == "DELETE":
            del self.pets[int(last)]
            return web.Response(status=204)
        return web.json_response(self.pets[int(last)])

    @property
    def last(self) -> Asked:
        return self.asked[-1]


@asynccontextmanager
async def serving(api: Api) -> AsyncIterator[Api]:
    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    api.url = f"http://{host}:{port}"
    try:
        yield api
    finally:
        await runner.cleanup()


def in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
