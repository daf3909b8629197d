import json
import logging
import time
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from yarl import URL

from tests.upstream.openapi.api import GNARLY, PETSTORE
from toolgate.errors import StartFailed
from toolgate.upstream.openapi.description import Description, read
from toolgate.upstream.openapi.operation import Operation
from toolgate.upstream.openapi.operations import Picked, operations
from toolgate.upstream.openapi.servers import Bases

HERE = URL("http://127.0.0.1:1/openapi.json")


def described(text: bytes, include: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> dict[str, Operation]:
    description = read(text)
    bases = Bases(description.document.get("servers"), HERE, None)
    return operations("api", description, bases, Picked(include, exclude, ("X-Tenant",)))


def tools(text: bytes) -> dict[str, dict[str, Any]]:
    return {name: json.loads(operation.tool) for name, operation in described(text).items()}


def minimal(**more: Any) -> dict[str, Any]:
    return {"openapi": "3.1.0", "info": {"title": "x", "version": "1"}, "paths": {}, **more}


def test_a_description_becomes_tools_with_readable_names_and_hints() -> None:
    found = tools(PETSTORE.read_bytes())
    assert list(found) == ["listPets", "addPet", "showPet", "delete_pets_petId", "showPhoto"]
    assert found["listPets"]["title"] == found["listPets"]["description"] == "List the pets"
    assert found["listPets"]["annotations"]["readOnlyHint"] is True
    assert found["addPet"]["annotations"] == {"readOnlyHint": False, "openWorldHint": True}
    removing = {"readOnlyHint": False, "idempotentHint": True, "destructiveHint": True, "openWorldHint": True}
    assert found["delete_pets_petId"]["annotations"] == removing
    assert described(PETSTORE.read_bytes())["listPets"].base == URL("http://127.0.0.1:1/v1")


def test_schemas_stay_as_they_are_with_their_references_inside() -> None:
    schema = tools(PETSTORE.read_bytes())["addPet"]["inputSchema"]
    assert schema["required"] == ["body"]
    assert schema["properties"]["body"] == {"$ref": "#/$defs/Pet"}
    pet = schema["$defs"]["Pet"]
    assert pet["required"] == ["name"]  # an id is the server's to give
    assert pet["properties"]["parents"]["items"] == {"$ref": "#/$defs/Pet"}
    jsonschema.validate({"body": {"name": "Rex", "parents": [{"name": "Old Rex"}]}}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"body": {"name": "Rex", "parents": [{"name": ""}]}}, schema)


def test_an_answer_promises_its_shape_and_no_more() -> None:
    found = tools(PETSTORE.read_bytes())
    schema = found["showPet"]["outputSchema"]
    jsonschema.validate({"name": None, "tag": "horse", "new": True, "parents": [{}]}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"name": 7}, schema)
    assert not {"outputSchema"} & (found["listPets"].keys() | found["delete_pets_petId"].keys())


def test_what_was_openapi_3_0_is_json_schema_afterwards() -> None:
    schema = tools(GNARLY.read_bytes())["put_tree"]["inputSchema"]
    node = schema["$defs"]["Node"]
    assert node["properties"]["value"] == {"type": "number", "exclusiveMinimum": 0, "examples": [3]}
    assert node["properties"]["kind"] == {"type": ["string", "null"], "enum": ["leaf", "branch", None]}
    assert node["properties"]["data"] == {"type": "string", "contentEncoding": "base64"}
    assert node["properties"]["right"] == {"anyOf": [{"allOf": [{"$ref": "#/$defs/Node"}]}, {"type": "null"}]}
    assert schema["$defs"]["Leaf_of_it"]["additionalProperties"] is False
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate({"body": {"value": 1, "kind": None, "left": {"value": 2, "right": None}}}, schema)


def test_every_schema_of_a_gnarly_description_is_one(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = tools(GNARLY.read_bytes())
    for tool in found.values():
        jsonschema.Draft202012Validator.check_schema(tool["inputSchema"])
        jsonschema.Draft202012Validator.check_schema(tool.get("outputSchema", {}))
    assert list(found) == ["every_style", "put_tree", "download", "replace", "upload", "form", "secured"]
    for reason in (
        "another origin",
        "parameters.0.Parameter.in",
        "is not there",
        "another document",
        "no parameter for it",
    ):
        assert reason in caplog.text


def test_arguments_have_names_that_models_are_given() -> None:
    tool = tools(GNARLY.read_bytes())["every_style"]
    names = list(tool["inputSchema"]["properties"])
    assert names[:7] == ["simple", "label", "matrix", "filter", "pipes", "spaces", "sort_by"]
    assert names[7].startswith("sort_by_")
    assert names[8:] == ["where", "X-Trace", "session"]  # what signs in or frames is nobody's argument
    assert tool["description"].startswith("Deprecated.")
    assert tool["inputSchema"]["required"] == ["simple", "label", "matrix"]


def test_files_are_base64_and_may_have_names() -> None:
    schema = tools(GNARLY.read_bytes())["upload"]["inputSchema"]["properties"]["body"]
    file = {"type": "string", "contentEncoding": "base64"}
    assert schema["properties"]["file"] == {"description": "What to keep.", **file}
    assert schema["properties"]["more"] == {"type": "array", "items": file}
    assert schema["properties"]["file_filename"]["type"] == "string"


@pytest.mark.parametrize(
    ("include", "exclude", "names"),
    [
        (("GET *",), (), ["listPets", "showPet", "showPhoto"]),
        (("*Pet*",), ("DELETE *", "addPet"), ["listPets", "showPet"]),
        ((), ("*",), []),
    ],
)
def test_operations_are_chosen_by_globs(include: tuple[str, ...], exclude: tuple[str, ...], names: list[str]) -> None:
    assert list(described(PETSTORE.read_bytes(), include, exclude)) == names


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"<!doctype html><title>Docs</title>", "is a web page"),
        (b'{"openapi": "3.1.0", "paths": {', "is not JSON"),
        (b"openapi: 3.1.0\npaths: [", "neither JSON nor YAML .line "),
        (b"[]", "not an object"),
        (b'{"swagger": "2.0"}', "Swagger 2.0"),
        (b'{"openapi": "4.0.0", "paths": {}}', "3.0 and 3.1 are read"),
        (b'{"paths": {}}', "no version"),
        (b'{"openapi": "3.1.0"}', "no paths"),
        (b"\xff\xfe\x00", "neither JSON nor YAML"),
        (b"openapi: 3.1.0\n" + b"#" * (4 << 20), "YAML of more than"),
    ],
)
def test_what_is_no_description_is_refused_with_the_reason(text: bytes, reason: str) -> None:
    with pytest.raises(StartFailed, match=reason):
        read(text)


def test_a_description_may_not_lead_to_another_origin() -> None:
    with pytest.raises(StartFailed, match=r"another origin than its own: https://evil\.example\.com") as raised:
        Bases([{"url": "https://evil.example.com/v1"}], HERE, None)
    assert "set `url`" in raised.value.hint
    assert Bases([{"url": "https://evil.example.com"}], HERE, URL("http://api.test/x")).root == URL("http://api.test/x")
    with pytest.raises(StartFailed, match="takes a `url`"):
        Bases([{"url": "https://api.example.com"}], None, None)


def test_a_schema_that_explodes_costs_its_operation_and_no_more() -> None:
    bomb: dict[str, Any] = {"type": "object"}
    for _ in range(40):
        bomb = {"type": "object", "properties": {"a": bomb, "b": bomb}}
    body = {"content": {"application/json": {"schema": bomb}}}
    paths = {"/bomb": {"post": {"requestBody": body, "responses": {}}}, "/ok": {"get": {"responses": {}}}}
    description = Description(minimal(paths=paths), old=False)
    found = operations("api", description, Bases(None, HERE, None), Picked((), (), ()))
    assert list(found) == ["get_ok"]


def test_a_thousand_operations_are_read_in_a_few_seconds() -> None:
    ref = {"$ref": "#/components/schemas/Thing0"}
    links = {n: {"$ref": f"#/components/schemas/Thing{(n + 1) % 200}"} for n in range(200)}
    schemas = {
        f"Thing{n}": {"type": "object", "properties": {"id": {"type": "integer"}, "next": link}}
        for n, link in links.items()
    }
    operation = {
        "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
        "requestBody": {"content": {"application/json": {"schema": ref}}},
        "responses": {"200": {"description": "", "content": {"application/json": {"schema": ref}}}},
    }
    paths = {f"/things/{n}/{{id}}": {"put": operation} for n in range(1000)}
    text = json.dumps(minimal(paths=paths, components={"schemas": schemas})).encode()
    began = time.process_time()
    found = described(text)
    assert len(found) == 1000
    assert time.process_time() - began < 10
    assert max(len(one.tool) for one in found.values()) < 40_000  # though each of 200 schemas leads to the next
    assert len(set(found)) == 1000
