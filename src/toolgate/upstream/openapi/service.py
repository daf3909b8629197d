"""A web API with an OpenAPI description, as a `services.link.Service`."""

import asyncio
import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, Self

from msgspec import Raw
from yarl import URL

from toolgate.errors import SignInNeeded, StartFailed
from toolgate.http.pool import Pool
from toolgate.model.server import OpenApi
from toolgate.pipeline.call import Reply
from toolgate.policy.arguments import ArgumentCheck, TooComplex, compile_check
from toolgate.protocol.envelope import Fields
from toolgate.secrets.redact import Redactor
from toolgate.upstream.openapi.answers import answered
from toolgate.upstream.openapi.description import read
from toolgate.upstream.openapi.operation import Operation
from toolgate.upstream.openapi.operations import Picked, operations
from toolgate.upstream.openapi.request import BadArgument, build
from toolgate.upstream.openapi.schemas import Schemas
from toolgate.upstream.openapi.security import Credentials
from toolgate.upstream.openapi.servers import Bases
from toolgate.upstream.resolved import Resolve
from toolgate.upstream.services.exchange import Exchange, Request
from toolgate.upstream.services.problems import problem
from toolgate.upstream.services.results import failed
from toolgate.upstream.services.site import Site, site

__all__ = ["OpenApiService"]

_HOUR: Final = 3600.0
_GLANCE: Final = 5.0  # seconds after which a file is looked at again
_ACCEPT: Final = ("Accept", "application/json, application/yaml;q=0.9, */*;q=0.5")
_UNFIT: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_INSTRUCTIONS: Final = 2_000  # characters


@dataclass(frozen=True, slots=True)
class Definition:
    """With its secrets in. `described` is the site of the description, None where it is `file`."""

    described: Site | None
    file: Path | None
    api: Site | None
    auth: Mapping[str, str] = field(repr=False)

    @classmethod
    async def of(cls, transport: OpenApi, resolve: Resolve) -> Self:
        """The headers are the API's: a description elsewhere is read without them."""
        api = await site(transport.url, transport.headers, resolve) if transport.url is not None else None
        text = (await resolve(transport.description)).reveal()
        auth = {name: (await resolve(value)).reveal() for name, value in transport.auth.items()}
        for name, value in auth.items():
            if _UNFIT.search(value):
                reason = f"its credential {name!r} has characters that no HTTP request may have"
                raise StartFailed(reason, hint="look for a line break at its end")
        if "://" not in text:
            return cls(None, Path(text), api, auth)
        described = await site(transport.description, transport.headers, resolve)
        if api is not None and api.url.origin() != described.url.origin():
            described = await site(transport.description, {}, resolve)
        return cls(described, None, api, auth)

    @property
    def hidden(self) -> Iterable[str]:
        for known in (self.described, self.api):
            yield from known.hidden if known is not None else ()
        for value in self.auth.values():
            yield from (value, *value.split(":", 1), base64.b64encode(value.encode()).decode())

    @property
    def headers(self) -> Mapping[str, str]:
        source = self.api or self.described
        return source.headers if source is not None else {}


@dataclass(frozen=True, slots=True)
class _Reading:
    """What was made of one text of the description."""

    digest: bytes
    info: Mapping[str, Any]
    operations: Mapping[str, Operation]
    credentials: Credentials
    root: URL


class OpenApiService:
    """Made by `open`."""

    def __init__(self, transport: OpenApi, definition: Definition, exchange: Exchange) -> None:
        self._transport = transport
        self._definition = definition
        self._exchange = exchange
        self._reading: _Reading
        self._checks: dict[str, ArgumentCheck | None] = {}
        self._seen: tuple[int, int] = (0, 0)
        self.interval = _HOUR if definition.file is None else _GLANCE
        self.server_info: dict[str, Any] = {}
        self.instructions = ""

    @classmethod
    async def open(cls, server: str, transport: OpenApi, pool: Pool, resolve: Resolve, limit: int) -> Self:
        """Raises `SecretMissing`, `StartFailed` and other `UpstreamError`s."""
        definition = await Definition.of(transport, resolve)
        service = cls(transport, definition, Exchange(server, pool, Redactor(definition.hidden), limit))
        text = await service._text()
        service._reading = await asyncio.to_thread(service._read, text)
        await service.reach()
        info = service._reading.info
        title = info.get("title")
        service.server_info = {
            "name": str(title)[:200] if title else server,
            "version": str(info.get("version", ""))[:100],
        }
        service.instructions = str(info.get("description") or "")[:_INSTRUCTIONS]
        return service

    @property
    def tools(self) -> Sequence[bytes]:
        return [operation.tool for operation in self._reading.operations.values()]

    async def call(self, name: str, arguments: Fields) -> Reply | None:
        reading = self._reading
        operation = reading.operations.get(name)
        if operation is None:
            return None
        try:
            signature = reading.credentials.of(operation.security)
            request = build(operation, arguments, self._definition.headers, signature)
        except BadArgument as reason:
            return failed(f"{name} was not called: {reason}.")
        answer = await self._exchange.ask(request)
        return answered(operation, answer, self._exchange, self._promised(operation))

    async def reach(self) -> None:
        await self._exchange.reach(self._reading.root.origin())

    async def read_again(self) -> bool:
        if self._definition.file is not None and await asyncio.to_thread(self._look) == self._seen:
            return False
        text = await self._text()
        if _digest(text) == self._reading.digest:
            return False
        before, self._reading = self._reading, await asyncio.to_thread(self._read, text)
        self._checks.clear()
        return self.tools != [operation.tool for operation in before.operations.values()]

    async def _text(self) -> bytes:
        described = self._definition.described
        if described is None:
            return await asyncio.to_thread(self._from_file)
        url = described.url
        headers = (_ACCEPT, *((name, value) for name, value in described.headers.items() if name.lower() != "accept"))
        answer = await self._exchange.ask(Request("GET", url.origin(), url.raw_path_qs, headers))
        if answer.status == 200:
            return answer.body
        kind = SignInNeeded if answer.status in {401, 403} else StartFailed
        raise kind(f"does not give its OpenAPI description: {problem(self._exchange, answer, 'GET')}")

    def _look(self) -> tuple[int, int]:
        try:
            state = (self._definition.file or Path()).stat()
        except OSError:
            return (0, 0)
        return (state.st_mtime_ns, state.st_size)

    def _from_file(self) -> bytes:
        file = self._definition.file or Path()
        self._seen = self._look()
        try:
            with file.open("rb") as opened:
                text = opened.read(self._exchange.limit + 1)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no file can be called that"
            raise StartFailed(f"its OpenAPI description cannot be read: {file}: {reason}") from None
        if len(text) > self._exchange.limit:
            raise StartFailed(f"its OpenAPI description is larger than {self._exchange.limit} bytes")
        return text

    def _read(self, text: bytes) -> _Reading:
        """In a thread."""
        description = read(text)
        definition, transport = self._definition, self._transport
        bases = Bases(
            description.document.get("servers"),
            definition.described.url if definition.described is not None else None,
            definition.api.url if definition.api is not None else None,
        )
        credentials = Credentials(
            description.schemes, definition.auth, Schemas(description.document, old=description.old)
        )
        own_headers = {*definition.headers, *credentials.header_names}
        picked = Picked(transport.include, transport.exclude, own_headers)
        found = operations(self._exchange.server, description, bases, picked)
        if not found:
            raise StartFailed(
                "its OpenAPI description has no operation that is wanted", hint="look at `include` and `exclude`"
            )
        return _Reading(_digest(text), description.info, found, credentials, bases.root)

    def _promised(self, operation: Operation) -> ArgumentCheck | None:
        if not operation.answer:
            return None
        if operation.name not in self._checks:
            try:
                self._checks[operation.name] = compile_check(Raw(operation.answer))
            except TooComplex:
                self._checks[operation.name] = None
        return self._checks[operation.name]


def _digest(text: bytes) -> bytes:
    return blake2b(text, digest_size=16).digest()
