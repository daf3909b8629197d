"""The Kubernetes API over HTTP: one namespace, asked again where that may help, with a deadline for everything."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import aiohttp

from toolgate.errors import StartFailed
from toolgate.runtime.kubernetes.cluster import Cluster
from toolgate.runtime.kubernetes.refusals import Refused, Unreachable
from toolgate.runtime.lines import LineSplitter

__all__ = ["APPLY", "MERGE", "Api", "Json"]

Json = dict[str, Any]

APPLY: Final = "application/apply-patch+yaml"
MERGE: Final = "application/merge-patch+json"

_SECONDS: Final = 20.0  # for one question with all its repetitions
_CONNECT: Final = 5.0
_FIRST: Final = 0.1  # seconds until it is asked again, at least; doubled each time
_LONGEST: Final = 5.0
_AGAIN: Final = frozenset({429, 500, 502, 503, 504})
_WATCHED: Final = 240  # seconds after which the API server ends a watch, so that one behind a dead link ends as well
_SILENT: Final = 300.0
_EVENT: Final = 4 * 2**20  # bytes of one event; an object has at most 1.5 MiB
_PING: Final = 20.0  # seconds between two pings of an attachment
_FRAME: Final = 16 * 2**20
_PROTOCOLS: Final = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_CORE: Final = "/api/v1"


class Api:
    """Paths are those within the namespace (`pods/NAME`), with the group before a colon where there is one
    (`networking.k8s.io/v1:networkpolicies`)."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._session: aiohttp.ClientSession | None = None

    @property
    def namespace(self) -> str:
        return self._cluster.namespace

    def become(self, cluster: Cluster) -> None:
        """From now on it is asked there, or as somebody else."""
        self._cluster = cluster

    async def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        kind: str = "application/json",
        seconds: float = _SECONDS,
        **query: str,
    ) -> Json:
        """May be asked twice, which does no harm: names are the gateway's own. Raises `Refused` and `Unreachable`."""
        raw = await self._bytes(method, path, body, kind=kind, seconds=seconds, query=query)
        try:
            found: Json = json.loads(raw or b"{}")
        except ValueError:
            raise Unreachable("what answers there is no Kubernetes API") from None
        return found

    async def text(self, path: str, *, seconds: float = _SECONDS, **query: str) -> bytes:
        """Raises `Refused` and `Unreachable`."""
        return await self._bytes("GET", path, None, seconds=seconds, query=query)

    async def watch(self, path: str, version: str, **query: str) -> AsyncIterator[Json]:
        """Events from `version` on, until the API server ends it. Raises `Refused` (410 where `version` is too old) and
        `Unreachable`."""
        asked = {"watch": "1", "resourceVersion": version, "allowWatchBookmarks": "true", **query}
        timeout = aiohttp.ClientTimeout(sock_connect=_CONNECT, sock_read=_SILENT)
        asked["timeoutSeconds"] = str(_WATCHED)
        try:
            async with self._open().get(
                self._url(path), params=asked, headers=await self._headers(), timeout=timeout, **self._tls()
            ) as response:
                if response.status != 200:
                    raise await _refusal(response)
                async for event in _events(response):
                    if event.get("type") == "ERROR":
                        status = event.get("object") or {}
                        raise Refused.of(int(status.get("code") or 500), status)
                    yield event
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Unreachable(_words(error)) from None

    async def attach(self, pod: str, container: str) -> aiohttp.ClientWebSocketResponse:
        """Its three streams, without a terminal. Raises `Refused` and `Unreachable`."""
        query = {"container": container, "stdin": "true", "stdout": "true", "stderr": "true", "tty": "false"}
        try:
            return await self._open().ws_connect(
                self._url(f"pods/{pod}/attach"),
                params=query,
                headers=await self._headers(),
                protocols=_PROTOCOLS,
                heartbeat=_PING,
                max_msg_size=_FRAME,
                timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
                **self._tls(),
            )
        except aiohttp.WSServerHandshakeError as error:
            raise Refused(error.status, "", f"attaching to it was answered with {error.status}") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(_words(error)) from None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _bytes(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        *,
        seconds: float,
        query: Mapping[str, str],
        kind: str = "application/json",
    ) -> bytes:
        """Asked again with growing pauses, until the time is over."""
        deadline, pause = asyncio.get_running_loop().time() + seconds, _FIRST
        data = json.dumps(body).encode() if body is not None else None
        refused = False
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    return await self._once(method, path, data, kind, query, refused=refused)
            except Refused as error:
                token = self._cluster.token
                if error.code == 401 and token.renews and not refused:
                    refused = True
                    continue
                if error.code not in _AGAIN and error.reason != "Conflict":
                    raise
                failure: Refused | Unreachable = error
                wait = min(max(error.wait, pause), _LONGEST)
            except Unreachable as error:
                failure, wait = error, pause
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                failure, wait = Unreachable(_words(error)), pause
            wait *= random.uniform(1, 1.5)  # noqa: S311  # so that not all come back at once
            if asyncio.get_running_loop().time() + wait >= deadline:
                raise failure
            await asyncio.sleep(wait)
            pause = min(2 * pause, _LONGEST)

    async def _once(
        self, method: str, path: str, data: bytes | None, kind: str, query: Mapping[str, str], *, refused: bool
    ) -> bytes:
        headers = await self._headers(refused=refused) | ({"Content-Type": kind} if data is not None else {})
        timeout = aiohttp.ClientTimeout(sock_connect=_CONNECT)
        async with self._open().request(
            method, self._url(path), params=query, data=data, headers=headers, timeout=timeout, **self._tls()
        ) as response:
            if response.status >= 300:
                raise await _refusal(response)
            return await response.read()

    def _url(self, path: str) -> str:
        if path.startswith("/"):
            return self._cluster.server + path
        group, colon, rest = path.partition(":")
        root, rest = (f"/apis/{group}", rest) if colon else (_CORE, path)
        return f"{self._cluster.server}{root}/namespaces/{self._cluster.namespace}/{rest}"

    async def _headers(self, *, refused: bool = False) -> dict[str, str]:
        try:
            token = await self._cluster.token.current(refused=refused)
        except StartFailed as error:  # it is told like any other reason for which nothing can be asked
            raise Unreachable(error.message) from None
        return {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})

    def _tls(self) -> Json:
        cluster = self._cluster
        return {"ssl": cluster.tls, "server_hostname": cluster.host} if cluster.tls is not None else {}

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            # As many connections as there are servers: each of them holds one.
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        return self._session


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[Json]:
    lines: list[bytes] = []
    splitter = LineSplitter(_EVENT, lines.append, lambda *_: None)
    async for chunk in response.content.iter_any():
        splitter.feed(chunk)
        for line in lines:
            yield json.loads(line)
        lines.clear()


async def _refusal(response: aiohttp.ClientResponse) -> Refused:
    raw = await response.read()
    try:
        told = json.loads(raw)
    except ValueError:
        told = None
    status = told if isinstance(told, dict) else {}
    return Refused.of(response.status, status, response.headers.get("Retry-After", ""))


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
