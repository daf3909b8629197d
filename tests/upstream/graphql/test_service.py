import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from aiohttp import web
from graphql import build_schema, parse, validate

from tests.upstream.conftest import House, make_call
from tests.upstream.graphql.shop import SCHEMA, SECRET, Shop, serving
from toolgate.model.secretref import Template
from toolgate.model.server import GraphQl, Provenance, Server
from toolgate.model.tool import Kind
from toolgate.upstream.base import State
from toolgate.upstream.graphql.operation import operation_of


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with serving(Shop()) as opened:
        yield opened


def defined(shop: Shop, headers: Mapping[str, str] | None = None, **more: Any) -> Server:
    given = {name: Template(text) for name, text in (headers or {}).items()}
    return Server("shop", GraphQl(Template(shop.url), given, **more), Provenance("test"))


def tools(house: House) -> dict[str, dict[str, Any]]:
    known = [catalogue for name, catalogue in house.audience.catalogues if name == "shop"][-1]
    return {item.name: json.loads(item.raw) for item in known.of(Kind.TOOLS)}


def said(result: dict[str, Any]) -> str:
    assert result["isError"] is True
    text: str = result["content"][0]["text"]
    return text


async def test_queries_and_mutations_are_tools(house: House, shop: Shop) -> None:
    await house.serve(defined(shop))
    found = tools(house)
    assert list(found)[:8] == ["order", "orders", "find", "version", "node", "select", "search", "place"]
    [other] = list(found)[8:]
    assert other.startswith("version_")
    assert found["order"]["description"] == "One order by its id."
    assert found["order"]["annotations"]["readOnlyHint"] is True
    assert found["place"]["annotations"]["readOnlyHint"] is False
    for tool in found.values():
        jsonschema.Draft202012Validator.check_schema(tool["inputSchema"])


async def test_arguments_have_the_schema_of_their_types(house: House, shop: Shop) -> None:
    await house.serve(defined(shop))
    schema = tools(house)["place"]["inputSchema"]
    assert schema["required"] == ["input"]
    order = schema["$defs"]["OrderInput"]
    assert order["required"] == ["customer", "lines"]
    assert order["properties"]["status"] == {
        "type": ["string", "null"],
        "enum": ["OPEN", "PAID", None],
        "default": "OPEN",
    }
    assert order["properties"]["follows"] == {"anyOf": [{"$ref": "#/$defs/OrderInput"}, {"type": "null"}]}
    jsonschema.validate({"input": {"customer": 7, "lines": [{"sku": "tea"}]}}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"input": {"customer": 7, "lines": [{"count": 1}]}}, schema)


def test_every_automatic_selection_fits_its_schema() -> None:
    schema = build_schema(SCHEMA.read_text())
    for kind, root in (("query", schema.query_type), ("mutation", schema.mutation_type)):
        assert root is not None
        for name, field in root.fields.items():
            operation = operation_of(kind, name, field, name, schema)
            assert not validate(schema, parse(operation.document)), operation.document


async def test_values_are_selected_three_levels_deep_and_never_in_a_circle(house: House, shop: Shop) -> None:
    await house.serve(defined(shop))
    result = await house.call("shop", "order", {"id": "o1"})
    order = result["structuredContent"]["order"]
    assert order["lines"] == [{"sku": "tea", "count": 2}]
    assert order["customer"] == {"id": "c1", "name": "Ada"}
    assert "old" not in order
    assert shop.last["variables"] == {"id": "o1"}
    page = (await house.call("shop", "orders", {"first": 1, "after": "x"}))["structuredContent"]["orders"]
    assert page["pageInfo"] == {"hasNextPage": True, "endCursor": "end"}
    assert page["edges"] == [{"cursor": "x", "node": {"id": "o0", "status": "OPEN", "total": 1.5, "at": "2026-01-01"}}]
    assert (await house.call("shop", "version"))["structuredContent"] == {"version": "1"}
    assert (await house.call("shop", "search"))["structuredContent"] == {"search": ["all"]}


async def test_unions_and_interfaces_are_selected_by_kind(house: House, shop: Shop) -> None:
    await house.serve(defined(shop))
    found = (await house.call("shop", "find", {"text": "tea"}))["structuredContent"]["find"]
    assert found == [
        {"__typename": "Customer", "id": "c1", "name": "Ada"},
        {"__typename": "Line", "sku": "tea", "count": 1},
    ]
    node = (await house.call("shop", "node", {"id": "n"}))["structuredContent"]["node"]
    assert node == {"__typename": "Order", "id": "n"}


async def test_a_mutation_takes_its_input(house: House, shop: Shop) -> None:
    await house.serve(defined(shop))
    given = {"customer": "c1", "lines": [{"sku": "milk"}], "status": "PAID"}
    placed = (await house.call("shop", "place", {"input": given}))["structuredContent"]["place"]
    assert (placed["status"], placed["lines"]) == ("PAID", [{"sku": "milk", "count": 1}])


async def test_a_caller_may_select_for_itself(house: House, shop: Shop) -> None:
    await house.serve(defined(shop))
    for selection in ("id customer { name }", "{ id customer { name } }"):
        result = await house.call("shop", "order", {"id": "o1", "select": selection})
        assert result["structuredContent"] == {"order": {"id": "o1", "customer": {"name": "Ada"}}}
    named = await house.call("shop", "select", {"select": "mine", "select_fields": "id"})
    assert named["structuredContent"] == {"select": {"id": "mine"}}


@pytest.mark.parametrize(
    ("selection", "reason"),
    [
        ("nothing", "Cannot query field 'nothing'"),
        ("id }", "no GraphQL selection"),
        ("id } version", "no GraphQL selection"),
        ("id } { version", "should be one selection"),
        ("id } mutation { place", "should be one selection"),
        ("customer { secretly(why: $id) }", "of type 'ID!' used in position"),
        ("customer { secretly(why: $other) }", "not defined"),
        ("...Elsewhere", "Unknown fragment"),
        ("", "is empty|no GraphQL selection"),
        ("a " * 3000, "no GraphQL selection"),
        ("customer { orders { edges { node { " * 4 + "id" + "} } } }" * 4, "nested deeper"),
        (7, "should be text"),
    ],
)
async def test_a_selection_that_is_none_is_refused_before_it_is_sent(
    house: House, shop: Shop, selection: Any, reason: str
) -> None:
    await house.serve(defined(shop))
    result = await house.call("shop", "order", {"id": "o1", "select": selection})
    text = said(result)
    assert any(part in text for part in reason.split("|")), text
    assert not shop.asked


async def test_errors_are_told_with_where_they_belong_and_no_secret(house: House, shop: Shop) -> None:
    await house.serve(defined(shop, {"Authorization": "Bearer ${TOKEN}"}))
    text = said(await house.call("shop", "order", {"id": "bad"}))
    assert text == 'order failed:\n- the key *** may not see it (at order)\nWhat there is besides: {"order": null}'
    assert shop.headers["Authorization"] == f"Bearer {SECRET}"
    assert (await house.call("shop", "order", {"id": "none"}))["structuredContent"] == {"order": None}


async def test_an_endpoint_that_does_not_tell_its_schema_takes_a_file(house: House, shop: Shop, tmp_path: Path) -> None:
    shop.introspects = False
    await house.serve(defined(shop))
    status = house.status("shop")
    assert (status.state, status.reason) == (State.FAILING, "does not tell its schema: introspection is disabled")
    assert "`schema_file`" in status.hint
    await house.serve(defined(shop, schema_file=str(SCHEMA), include=("query *",), exclude=("orders",)))
    assert list(tools(house)) == ["order", "find", "version", "node", "select", "search"]
    assert (await house.call("shop", "version"))["structuredContent"] == {"version": "1"}
    broken = tmp_path / "broken.graphql"
    broken.write_text("type Query { a: Nothing }")
    await house.serve(defined(shop, schema_file=str(broken)))
    assert "cannot be used: Unknown type" in house.status("shop").reason
    await house.serve(defined(shop, schema_file=str(tmp_path / "none")))
    assert "No such file" in house.status("shop").reason


async def test_what_is_no_graphql_is_told(house: House, shop: Shop) -> None:
    await house.serve(defined(shop))
    shop.broken = web.Response(text="<html><title>Bad gateway</title>", content_type="text/html", status=502)
    text = said(await house.call("shop", "version"))
    assert text == "version was answered 502 Bad Gateway.\nIt was a web page: Bad gateway"
    shop.broken = web.Response(text="[]", content_type="application/json")
    assert "no GraphQL response" in said(await house.call("shop", "version"))
    shop.broken = web.Response(status=401)
    await house.serve(defined(shop, {"X": "1"}))
    assert "does not tell its schema" in house.status("shop").reason
    assert "401" in house.status("shop").reason


async def test_what_is_no_call_of_a_tool_is_refused(house: House, shop: Shop) -> None:
    await house.serve(defined(shop))
    reply = await house.of("shop").send(make_call("shop", "nothing"))
    assert reply.is_error
    reply = await house.of("shop").send(make_call("shop", "x", method="prompts/get", params={"name": "x"}))
    assert reply.is_error
    assert b"-32601" in reply.payload
