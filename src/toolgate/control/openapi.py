"""The OpenAPI 3.1 document of the API, made from its routes and from the models of what it takes and answers.

The API has a router of its own: FastAPI would make this document, too, but costs 20 MB and 300 ms at each start, for
which a gateway that starts with an editor has no room. A test holds the document and the routes to each other.
"""

import ast
import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from toolgate import __version__
from toolgate.control import bodies
from toolgate.control.bodies import (
    CardList,
    Connected,
    ConnectionList,
    Deployed,
    Deployment,
    Install,
    Operation,
    Overall,
    SaveCard,
    Tested,
    ToolList,
    Update,
)
from toolgate.control.routes import ACCOUNTS, ROOT
from toolgate.model.card import Card

__all__ = ["OPERATIONS", "Described", "document"]

_NAMES: Final = re.compile(r"\{(\w+)\}")
_SCHEMAS: Final = "#/components/schemas/"
_JSON: Final = "application/json"
_STREAM: Final = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Described:
    """`answer` is None for an object that docs/reference/api.md describes. `query` has what may be asked by, and what
    it means. `once`: it heeds `Idempotency-Key`."""

    summary: str
    body: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    query: Mapping[str, str] | None = None
    status: int = 200
    media: str = _JSON
    once: bool = False


_SINCE: Final = "`today`, or a period such as `12h` or `7d`"
_OWNER: Final = "`user:NAME` or `team:NAME`; all that the caller acts for, without it"
_LOGS: Final = {"lines": "how many of the last lines", "follow": "`1` for server-sent events, one a line"}
_ADDED_UP: Final = {"by": "user, team, server or tool", "since": _SINCE}
_LAST: Final = {"last": "how many of the last changes"}


def _of_servers(below: str, what: str) -> dict[tuple[str, str], Described]:
    return {
        ("POST", f"{below}/start"): Described(f"Start {what}"),
        ("POST", f"{below}/stop"): Described(f"Stop {what}, until somebody starts it"),
        ("POST", f"{below}/restart"): Described(f"Stop {what}, and start it again"),
        ("GET", f"{below}/timeline"): Described(f"The states of {what}, with times, causes and actors", query=_LAST),
        ("GET", f"{below}/logs"): Described(f"What {what} wrote beside the protocol", query=_LOGS),
    }


def _below(root: str, operations: Mapping[tuple[str, str], Described]) -> dict[tuple[str, str], Described]:
    return {(method, root + path): described for (method, path), described in operations.items()}


OPERATIONS: Final[Mapping[tuple[str, str], Described]] = {
    **_below(ROOT, {
        ("GET", "servers"): Described("All servers"),
        ("GET", "servers/{name}"): Described("One server"),
        **_of_servers("servers/{name}", "a server"),
        ("GET", "health"): Described("How the servers and the gateway are doing"),
        ("GET", "usage"): Described("What was called, added up", query=_ADDED_UP),
        ("GET", "usage.csv"): Described("The same as CSV", query=_ADDED_UP, media="text/csv"),
        ("GET", "advice"): Described("What could be better", query={"since": _SINCE}),
        ("GET", "audit"): Described("The last calls", query={
            "server": "of this server", "principal": "by this caller: an id, or the name of a key",
            "outcome": "that ended so", "since": _SINCE, "most": "how many, at most",
        }),
        ("GET", "version"): Described("What this is, and which revisions it speaks"),
        ("POST", "reload"): Described("Read the configuration again"),
        ("GET", "openapi.json"): Described("This document"),
        ("GET", "events"): Described("Changes of servers and connections, as they happen", media=_STREAM),
        ("GET", "cards"): Described("What can be installed", answer=CardList),
        ("POST", "cards"): Described("Add a card", body=SaveCard, answer=Card, status=201),
        ("GET", "cards/{name}"): Described("One card", answer=Card),
        ("DELETE", "cards/{name}"): Described("Remove a card that was added", query={"owner": _OWNER}),
        ("GET", "connections"): Described("What was installed", answer=ConnectionList, query={"owner": _OWNER}),
        ("POST", "connections"): Described("Install a server", body=Install, answer=Connected, status=201, once=True),
        ("GET", "connections/health"): Described("How connections are doing", answer=Overall, query={"owner": _OWNER}),
        ("GET", "connections/{id}"): Described("One connection", answer=Connected),
        ("PATCH", "connections/{id}"): Described("Change a connection", body=Update, answer=Connected, once=True),
        ("DELETE", "connections/{id}"): Described("Remove a connection and its secrets", once=True),
        ("POST", "connections/{id}/test"): Described("Start its server once, apart, and list its tools", answer=Tested),
        ("GET", "connections/{id}/tools"): Described("Its tools, as its server lists them", answer=ToolList),
        **_of_servers("connections/{id}", "the server of a connection"),
    }),
    **_below(ACCOUNTS, {
        ("POST", "install"): Described("Install a card for an account", body=Deployment, answer=Deployed, status=201,
                                       once=True),
        ("POST", "update"): Described("Change a connection", body=Operation, answer=Deployed, once=True),
        ("POST", "remove"): Described("Remove a connection and its secrets", body=Operation, once=True),
        ("POST", "test"): Described("Start its server once, apart, and list its tools", body=Operation),
        ("POST", "start"): Described("Start its server", body=Operation, answer=Deployed),
        ("POST", "stop"): Described("Stop its server, until somebody starts it", body=Operation, answer=Deployed),
        ("POST", "restart"): Described("Stop its server, and start it again", body=Operation, answer=Deployed),
        ("POST", "logs"): Described("What its server wrote beside the protocol", body=Operation),
        ("POST", "health"): Described("How an account is doing", body=Operation),
        ("GET", "health"): Described("How an account is doing", query={"account_id": "whose; the caller's without it"}),
    }),
}  # fmt: skip


def _said_of_fields() -> dict[str, dict[str, str]]:
    """By model and field, as it stands in the source below each field."""
    said: dict[str, dict[str, str]] = {}
    for model in ast.parse(inspect.getsource(bodies)).body:
        if isinstance(model, ast.ClassDef):
            for field, text in pairwise(model.body):
                match field, text:
                    case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                        said.setdefault(model.name, {})[name] = inspect.cleandoc(words)
    return said


_UNKNOWN: Final = Described("")
"""Of which a test knows that there is none."""


def document(routes: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Of these routes: method and path."""
    models = {model for one in OPERATIONS.values() for model in (one.body, one.answer) if model is not None}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, schemas = models_json_schema([(model, "validation") for model in ordered], ref_template=_SCHEMAS + "{model}")
    for name, fields in _said_of_fields().items():
        for field, text in fields.items():
            schemas["$defs"][name]["properties"][field].setdefault("description", text)
    paths: dict[str, dict[str, Any]] = {}
    for method, path in routes:
        described = OPERATIONS.get((method, path), _UNKNOWN)
        paths.setdefault(path, {})[method.lower()] = _operation(method, path, described)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Toolgate", "version": __version__, "license": {"name": "Apache-2.0"}},
        "security": [{"key": []}, {}],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "`toolgate keys create`"}},
            "responses": {"error": {"description": "What went wrong", "content": _content(_ERROR)}},
            "schemas": schemas["$defs"],
        },
    }


_ERROR: Final = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "hint"],
            "properties": {name: {"type": "string"} for name in ("code", "message", "hint")},
        }
    },
}


def _operation(method: str, path: str, described: Described) -> dict[str, Any]:
    parameters = [_parameter(name, "path") for name in _NAMES.findall(path)]
    parameters += [_parameter(name, "query", text) for name, text in (described.query or {}).items()]
    if described.once:
        text = "a request that is sent again with the same one is answered as it was, and not done again"
        parameters.append(_parameter("Idempotency-Key", "header", text))
    answer = {"type": "object"} if described.answer is None else {"$ref": _SCHEMAS + described.answer.__name__}
    if described.media != _JSON:
        answer = {"type": "string"}
    told: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{method.lower()}_{path.removeprefix(ROOT)}").strip("_"),
        "summary": described.summary,
        "parameters": parameters,
        "responses": {
            str(described.status): {"description": described.summary, "content": _content(answer, described.media)},
            "default": {"$ref": "#/components/responses/error"},
        },
    }
    if described.body is not None:
        schema = {"$ref": _SCHEMAS + described.body.__name__}
        told["requestBody"] = {"required": True, "content": _content(schema)}
    return told


def _parameter(name: str, place: str, description: str = "") -> dict[str, Any]:
    told: dict[str, Any] = {"name": name, "in": place, "required": place == "path", "schema": {"type": "string"}}
    return {**told, "description": description} if description else told


def _content(schema: Mapping[str, Any], media: str = _JSON) -> dict[str, Any]:
    return {media: {"schema": schema}}
