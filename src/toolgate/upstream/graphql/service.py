"""A GraphQL endpoint as a `services.link.Service`."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, Self

import msgspec
from graphql import GraphQLError, GraphQLSchema, build_client_schema, build_schema, get_introspection_query
from msgspec import Raw

from toolgate.errors import SignInNeeded, StartFailed
from toolgate.http.pool import Pool
from toolgate.model.server import GraphQl
from toolgate.pipeline.call import Reply
from toolgate.protocol.envelope import Fields, dump
from toolgate.secrets.redact import Redactor
from toolgate.upstream.graphql.answers import answered, errors_in
from toolgate.upstream.graphql.operation import Operation, operation_of
from toolgate.upstream.graphql.selection import BadSelection
from toolgate.upstream.resolved import Resolve
from toolgate.upstream.services.exchange import Answer, Exchange, Request
from toolgate.upstream.services.names import is_picked, legal, unique
from toolgate.upstream.services.problems import problem
from toolgate.upstream.services.results import failed
from toolgate.upstream.services.site import Site, site

__all__ = ["GraphQlService"]

_HOUR: Final = 3600.0
_HINT: Final = "give its schema as a file in the schema language: `schema_file`"
_OWN: Final = (
    ("Accept", "application/graphql-response+json, application/json;q=0.9"),
    ("Content-Type", "application/json"),
)


@dataclass(frozen=True, slots=True)
class _Reading:
    digest: bytes
    schema: GraphQLSchema
    operations: Mapping[str, Operation]


class GraphQlService:
    """Made by `open`."""

    interval = _HOUR

    def __init__(self, server: str, transport: GraphQl, place: Site, exchange: Exchange) -> None:
        self._transport = transport
        self._site = place
        self._exchange = exchange
        self._reading: _Reading
        self.server_info: dict[str, Any] = {"name": server, "version": ""}
        self.instructions = ""
        own = {name.lower() for name in place.headers}
        self._headers = (*((name, text) for name, text in _OWN if name.lower() not in own), *place.headers.items())

    @classmethod
    async def open(cls, server: str, transport: GraphQl, pool: Pool, resolve: Resolve, limit: int) -> Self:
        """Raises `SecretMissing`, `StartFailed` and other `UpstreamError`s."""
        place = await site(transport.url, transport.headers, resolve)
        service = cls(server, transport, place, Exchange(server, pool, Redactor(place.hidden), limit))
        service._reading = await service._read()
        await service.reach()
        return service

    @property
    def tools(self) -> Sequence[bytes]:
        return [operation.tool for operation in self._reading.operations.values()]

    async def call(self, name: str, arguments: Fields) -> Reply | None:
        reading = self._reading
        operation = reading.operations.get(name)
        if operation is None:
            return None
        variables = dict(arguments)
        try:
            document = _document(operation, variables, reading.schema)
        except BadSelection as reason:
            return failed(f"{name} was not called: `{operation.select}` {reason}.")
        return answered(operation, await self._ask(document, variables), self._exchange)

    async def reach(self) -> None:
        await self._exchange.reach(self._site.url.origin())

    async def read_again(self) -> bool:
        before, now = self._reading, await self._read()
        self._reading = now
        return now.digest != before.digest and self.tools != [one.tool for one in before.operations.values()]

    async def _ask(self, document: str, variables: Mapping[str, Any]) -> Answer:
        body = dump({"query": document, "variables": variables} if variables else {"query": document})
        url = self._site.url
        return await self._exchange.ask(Request("POST", url.origin(), url.raw_path_qs, self._headers, body))

    async def _read(self) -> _Reading:
        file = self._transport.schema_file
        text = await asyncio.to_thread(_from_file, Path(file)) if file else await self._introspected()
        known: _Reading | None = getattr(self, "_reading", None)
        digest = blake2b(text, digest_size=16).digest()
        if known is not None and known.digest == digest:
            return known
        return await asyncio.to_thread(self._made, text, digest)

    async def _introspected(self) -> bytes:
        answer = await self._ask(get_introspection_query(input_value_deprecation=False), {})
        if answer.status in {401, 403}:
            raise SignInNeeded(f"does not tell its schema: {problem(self._exchange, answer, 'the introspection')}")
        try:
            response = msgspec.json.decode(answer.body, type=dict[str, Raw])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            said = problem(self._exchange, answer, "the introspection")
            raise StartFailed(f"is no GraphQL endpoint: {said}", hint="check its address") from None
        data = response.get("data")
        if data is None or bytes(data)[:1] != b"{":
            said = "; ".join(errors_in(response.get("errors", Raw(b"null")))[:2])
            raise StartFailed(f"does not tell its schema: {self._exchange.redactor.text(said)}", hint=_HINT)
        return bytes(data)

    def _made(self, text: bytes, digest: bytes) -> _Reading:
        """In a thread."""
        schema = _schema(text, is_file=self._transport.schema_file is not None)
        operations = _operations(schema, self._transport)
        if not operations:
            raise StartFailed("its GraphQL schema has no field that is wanted", hint="look at `include` and `exclude`")
        return _Reading(digest, schema, operations)


def _document(operation: Operation, variables: Fields, schema: GraphQLSchema) -> str:
    """Takes the selection out of the variables. Raises `BadSelection`."""
    selected = variables.pop(operation.select, None) if operation.select else None
    text = msgspec.json.decode(selected) if selected is not None else None
    if text is None:
        return operation.document
    if not isinstance(text, str):
        raise BadSelection("should be text")
    return operation.selecting(text, schema)


def _from_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no file can be called that"
        raise StartFailed(f"its GraphQL schema cannot be read: {path}: {reason}") from None


def _schema(text: bytes, *, is_file: bool) -> GraphQLSchema:
    try:
        if is_file:
            return build_schema(text.decode(), no_location=True)
        return build_client_schema(msgspec.json.decode(text))
    except (GraphQLError, TypeError, KeyError, ValueError, AttributeError, RecursionError) as error:
        said = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise StartFailed(f"its GraphQL schema cannot be used: {said}") from None


def _operations(schema: GraphQLSchema, transport: GraphQl) -> dict[str, Operation]:
    found: dict[str, Operation] = {}
    for kind, root in (("query", schema.query_type), ("mutation", schema.mutation_type)):
        for field_name, field in (root.fields if root is not None else {}).items():
            name = unique(legal(field_name, kind), f"{kind} {field_name}", found)
            if is_picked({field_name, f"{kind} {field_name}", name}, transport.include, transport.exclude):
                found[name] = operation_of(kind, field_name, field, name, schema)
    return found
