"""A double of the Kubernetes API for one namespace, by the published API conventions: what it takes, refuses and tells,
who may ask what (by the role that is shipped), and attachments by `v4` and `v5.channel.k8s.io`."""

import contextlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from socket import SHUT_RDWR
from typing import Any

from aiohttp import WSMsgType, web

from tests.parts.where import ROOT
from tests.runtime.kubernetes.accepted import rules, unacceptable
from tests.runtime.kubernetes.node import Node
from tests.runtime.kubernetes.objects import Conflict, Json, Objects, TooOld, merged, selects

__all__ = ["TOKEN", "Cluster", "Fault", "kubeconfig"]

TOKEN = "token-of-the-gateway"
ROLE = ROOT / "deploy" / "kubernetes" / "runner-role.yaml"
PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/v1/namespaces/servers/(?P<kind>\w+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>\w+))?"
)


@dataclass
class Fault:
    """An answer that is given instead of the true one, so many times. `after` says that the true one has happened."""

    method: str
    kind: str
    code: int
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)
    status: Json = field(default_factory=dict)
    after: bool = False


class Cluster:
    def __init__(self, folder: Path) -> None:
        self.objects = Objects()
        self.node = Node(self.objects, folder)
        self.faults: list[Fault] = []
        self.protocols: tuple[str, ...] = ("v5.channel.k8s.io", "v4.channel.k8s.io")
        self.token = TOKEN
        self.rules = rules(ROLE)
        self.used: set[tuple[str, str, str]] = set()
        """Which parts of the role were needed."""
        self.asked: list[str] = []
        self.admission: Callable[[Json], object] = len
        """What changes a pod that is taken."""
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def begin(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def end(self) -> None:
        """The API server alone; the node goes on."""
        self.objects.end_watches()
        await self.drop_attachments()
        if self._runner is not None:
            await self._runner.cleanup()

    async def close(self) -> None:
        await self.node.close()
        await self.end()

    async def drop_attachments(self) -> None:
        """As when the link breaks: without a word."""
        for container in self.node.containers.values():
            for socket in list(container.attached):
                socket.get_extra_info("socket").shutdown(SHUT_RDWR)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        found = PATH.fullmatch(request.path)
        if found is None:
            return refusal(404, "NotFound", "the server could not find the requested resource")
        group, kind, name, sub = found["group"] or "", found["kind"], found["name"] or "", found["sub"] or ""
        self.asked.append(f"{request.method} {kind}{f'/{sub}' if sub else ''}")
        fault = next((each for each in self.faults if (each.method, each.kind) == (request.method, sub or kind)), None)
        if fault is not None:
            fault.times -= 1
            if not fault.times:
                self.faults.remove(fault)
            if fault.after:
                await self._take(request, kind, name)
            return web.json_response(fault.status, status=fault.code, headers=fault.headers)
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return refusal(401, "Unauthorized", "Unauthorized")
        for verb in verbs(request, name, sub):
            asked = (verb, group, f"{kind}/{sub}" if sub else kind)
            if asked not in self.rules:
                where = f'in API group "{group}" in the namespace "servers"'
                return refusal(
                    403, "Forbidden",
                    f'{kind} is forbidden: User "system:serviceaccount:toolgate:gateway" cannot {verb} resource '
                    f'"{asked[2]}" {where}',
                )  # fmt: skip
            self.used.add(asked)
        if sub == "attach":
            return await self._attach(request, name)
        if sub == "log":
            container = self.node.containers.get(name)
            return web.Response(body=container.log if container else b"")
        if request.query.get("watch"):
            return await self._watch(request, kind)
        return await self._take(request, kind, name)

    async def _take(self, request: web.Request, kind: str, name: str) -> web.Response:
        if request.method == "GET" and not name:
            selector = ",".join(filter(None, (request.query.get("labelSelector"), request.query.get("fieldSelector"))))
            items = [each for each in self.objects.all(kind) if selects(selector, each)]
            return web.json_response({"metadata": {"resourceVersion": str(self.objects.version)}, "items": items})
        if request.method == "POST":
            return self._create(kind, await request.json(), dry=request.query.get("dryRun") == "All")
        if request.method == "PATCH" and "apply" in request.content_type:
            made = await request.json()
            if (wrong := unacceptable(kind, made)) is not None:
                return refusal(*wrong)
            changed = self.objects.change(kind, name, made) or self.objects.create(kind, made)
            return web.json_response(changed)
        if request.method == "DELETE" and not name:
            for each in self.objects.all(kind):
                if selects(request.query["labelSelector"], each):
                    self._remove(kind, each["metadata"]["name"], int(request.query.get("gracePeriodSeconds", "30")))
            return web.json_response({})
        body = await request.json() if request.can_read_body else {}
        if request.method == "GET":
            found = self.objects.get(kind, name)
        elif request.method == "DELETE":
            found = self._remove(kind, name, int(body.get("gracePeriodSeconds", 30)))
        else:
            found = self.objects.change(kind, name, body)
        if found is None:
            return refusal(404, "NotFound", f'{kind} "{name}" not found')
        return web.json_response(found)

    def _create(self, kind: str, made: Json, *, dry: bool) -> web.Response:
        if (wrong := unacceptable(kind, made)) is not None:
            return refusal(*wrong)
        if dry:
            self.admission(made)
            return web.json_response(made, status=201)
        try:
            return web.json_response(self.objects.create(kind, made), status=201)
        except Conflict:
            return refusal(409, "AlreadyExists", f'{kind} "{made["metadata"]["name"]}" already exists')

    def _remove(self, kind: str, name: str, grace: int) -> Json | None:
        if kind != "pods":
            return self.objects.remove(kind, name)
        found = self.objects.get(kind, name)
        if found is not None:
            self.node.end(name, grace)
        return found

    async def _watch(self, request: web.Request, kind: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)

        async def tell(what: str, each: Json) -> None:
            await response.write(json.dumps({"type": what, "object": each}).encode() + b"\n")

        with contextlib.suppress(ConnectionError):
            try:
                await tell("BOOKMARK", {"metadata": {"resourceVersion": request.query["resourceVersion"]}})
                async for what, each in self.objects.events(kind, int(request.query["resourceVersion"])):
                    if selects(request.query.get("labelSelector", ""), each):
                        await tell(what, each)
            except TooOld:
                await tell("ERROR", status_of(410, "Expired", "too old resource version"))
        return response

    async def _attach(self, request: web.Request, name: str) -> web.StreamResponse:
        container = self.node.containers.get(name)
        pod = self.objects.get("pods", name)
        if container is None or pod is None or "running" not in pod["status"]["containerStatuses"][0]["state"]:
            return refusal(400, "BadRequest", f"container server in pod {name} is not running")
        socket = web.WebSocketResponse(protocols=self.protocols, max_msg_size=32 * 2**20)
        await socket.prepare(request)
        container.attached.append(socket)
        stdin = container.process.stdin
        assert stdin is not None
        try:
            async for message in socket:
                if message.type is not WSMsgType.BINARY or not message.data:
                    continue
                if message.data == b"\xff\x00" and socket.ws_protocol == "v5.channel.k8s.io":
                    stdin.close()
                elif message.data[0] == 0 and not stdin.is_closing():
                    stdin.write(message.data[1:])
                    await stdin.drain()
        except ConnectionError:  # the process reads no more
            pass
        finally:
            container.attached.remove(socket)
            stdin.close()  # stdinOnce
        return socket


def verbs(request: web.Request, name: str, sub: str) -> list[str]:
    """From 1.35 on an attachment over a WebSocket, which is a GET, needs the right to create besides."""
    if sub == "attach":
        return ["get", "create"]
    if request.method == "GET":
        return ["watch" if request.query.get("watch") else "get" if name else "list"]
    if request.method == "DELETE":
        return ["delete" if name else "deletecollection"]
    if request.method == "PATCH" and "apply" in request.content_type:
        return ["patch", "create"]
    return [{"POST": "create", "PATCH": "patch"}[request.method]]


def status_of(code: int, reason: str, message: str) -> Json:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure"}
    return merged(status, {"code": code, "reason": reason, "message": message})


def refusal(code: int, reason: str, message: str) -> web.Response:
    return web.json_response(status_of(code, reason, message), status=code)


def kubeconfig(cluster: Cluster, folder: Path, **more: Any) -> Path:
    """A file that says how to reach it."""
    file = folder / "kubeconfig"
    parts = {
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it", "namespace": "servers"}}],
        "clusters": [{"name": "it", "cluster": {"server": f"http://127.0.0.1:{cluster.port}"}}],
        "users": [{"name": "it", "user": {"token": cluster.token}}],
    }
    file.write_text(json.dumps(parts | more))
    return file
