"""The published document says what the API does: each operation is asked for, and answers as the document says."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import jsonschema_rs
import pytest
import pytest_asyncio
from openapi_pydantic import OpenAPI

from tests.control.rest import DOWN, EMPTY, WITHIN, Api
from tests.running import RunningGateway, running_gateway
from toolgate.control.openapi import OPERATIONS, document

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEFINITION = {"url": DOWN}
CARD = {"name": "ours", "title": "Ours", "description": "Our own.", "category": "own", "server": DEFINITION}
ACCOUNT = {"mcp_server_id": "custom-http", "account_id": "acct"}
BODIES: Mapping[tuple[str, str], Any] = {
    ("POST", "/api/v1/cards"): {"card": {**CARD, "name": "another"}},
    ("POST", "/api/v1/connections"): {"name": "new", "server": DEFINITION},
    ("PATCH", "/api/v1/connections/{id}"): {"title": "New"},
    ("POST", "/functions/v1/mcp-connections/install"): {
        **ACCOUNT, "account_id": "other", "provided_credential_schema": {"url": DOWN},
    },
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningGateway]:
    config = {**EMPTY, "servers": {"shared": DEFINITION}}
    async with running_gateway(config, tmp_path_factory.mktemp("gateway")) as running:
        yield running


def operations(told: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for member in value.values():
            yield from references(member)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


async def test_it_has_all_routes_of_a_gateway_and_no_others(gateway: RunningGateway) -> None:
    told = (await Api(gateway)("GET", "openapi.json")).body
    assert {(method, path) for method, path, _ in operations(told)} == set(OPERATIONS)
    assert told == document(OPERATIONS) | {"paths": told["paths"]}


async def test_it_is_a_document_of_openapi() -> None:
    told = json.loads(json.dumps(document(OPERATIONS)))
    assert OpenAPI.model_validate(told).openapi == "3.1.0"
    identifiers = [operation["operationId"] for *_, operation in operations(told)]
    assert len(set(identifiers)) == len(identifiers)
    for reference in references(told):
        place: Any = told
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
    for schema in told["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)
    for _, path, operation in operations(told):
        named = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
        assert named == {part[1:-1] for part in path.split("/") if part.startswith("{")}, path


@pytest.mark.parametrize(("method", "path"), sorted(OPERATIONS), ids=str)
async def test_each_operation_answers_as_it_says(gateway: RunningGateway, method: str, path: str) -> None:
    api = Api(gateway)
    id_ = await prepared(api, path)
    described = OPERATIONS[method, path]
    body = BODIES.get((method, path), ACCOUNT if "/functions/" in path else {})
    url = gateway.url + path.format(id=id_, name="ours" if "/cards/" in path else "shared")
    data = None if method == "GET" else json.dumps(body)
    asked = gateway.session.request(method, url, data=data, headers=api.headers)
    async with asyncio.timeout(WITHIN), asked as response:
        assert response.status == described.status, await response.text()
        assert response.content_type == described.media
        if described.media == "text/event-stream":
            assert await response.content.readline() == b"event: ready\n"
            return
        answer = await response.text()
    if described.media == "application/json":
        told = document(OPERATIONS)
        content = told["paths"][path][method.lower()]["responses"][str(described.status)]["content"]
        schema = {**content[described.media]["schema"], "components": told["components"]}
        jsonschema_rs.validate(schema, json.loads(answer))


async def prepared(api: Api, path: str) -> str:
    """What the operation is about is there. The answer is the id of a connection."""
    if "/cards/" in path:
        await api("POST", "cards", {"card": CARD})
    if "/functions/" in path:
        given = {**ACCOUNT, "provided_credential_schema": {"url": DOWN}}
        await api("POST", "/functions/v1/mcp-connections/install", given)
    if "{id}" in path:
        await api("POST", "connections", {"name": "installed", "server": DEFINITION})
        known = (await api("GET", "connections?owner=")).body["connections"]
        return next(str(one["id"]) for one in known if one["name"] == "installed")
    return ""


async def test_what_it_does_not_know_is_refused_in_the_words_that_it_gives(gateway: RunningGateway) -> None:
    api = Api(gateway)
    for method, path, body in [
        ("POST", "connections", {"surprise": "s3cr3t-value"}),
        ("POST", "connections", {"name": "x", "server": {"url": DOWN, "surprise": "s3cr3t-value"}}),
        ("POST", "connections", ["s3cr3t-value"]),
        ("PATCH", "connections/none", {"title": 1}),
        ("GET", "connections/none", None),
        ("GET", "nothing", None),
        ("PUT", "connections", {}),
        ("POST", "/functions/v1/mcp-connections/nothing", {}),
    ]:
        told = await api(method, path, body)
        assert told.status in {400, 404, 405}, (path, told)
        assert told.body["error"].keys() == {"code", "message", "hint"}
        assert "s3cr3t-value" not in json.dumps(told.body)
