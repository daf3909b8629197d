"""From a description to its operations."""

import logging
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from openapi_pydantic.v3 import v3_1
from pydantic import ValidationError
from yarl import URL

from toolgate.errors import StartFailed
from toolgate.upstream.openapi.bodies import described_body
from toolgate.upstream.openapi.description import Description
from toolgate.upstream.openapi.operation import Operation
from toolgate.upstream.openapi.parameters import described_parameters
from toolgate.upstream.openapi.schemas import Schemas, Unusable
from toolgate.upstream.openapi.servers import Bases
from toolgate.upstream.openapi.tool import Parts, tool_of
from toolgate.upstream.services.names import is_picked, legal, unique

__all__ = ["Picked", "operations"]

METHODS: Final = ("get", "put", "post", "delete", "patch", "query")
_SHOWN: Final = 5

_log = logging.getLogger(__name__)


class Picked:
    """Which operations are wanted, and which header fields the definition sets itself."""

    def __init__(self, include: Collection[str], exclude: Collection[str], own_headers: Collection[str]) -> None:
        self._include = include
        self._exclude = exclude
        self.own_headers = frozenset(name.lower() for name in own_headers)

    def has(self, names: Collection[str]) -> bool:
        return is_picked(names, self._include, self._exclude)


def operations(server: str, description: Description, bases: Bases, picked: Picked) -> dict[str, Operation]:
    """By the names of their tools, in the description's order. What no tool can be made of is left out, with a warning.
    Takes its time, so not on the event loop. Raises `StartFailed` where all are."""
    schemas = Schemas(description.document, old=description.old)
    reader = _Reader(description, schemas, bases, picked)
    found: dict[str, Operation] = {}
    left_out: list[str] = []
    for path, method, item in _items(description, schemas):
        where = _printable(f"{method.upper()} {path}")
        try:
            operation = reader.operation(path, method, item, found)
        except Unusable as reason:
            left_out.append(f"{where} {reason}")
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            place = ".".join(str(step) for step in first["loc"])
            left_out.append(f"{where} is not described as OpenAPI has it: {place}: {first['msg']}")
        else:
            if operation is not None:
                found[operation.name] = operation
    if left_out and not found:
        raise StartFailed(f"its OpenAPI description has no operation that a tool can be made of: {left_out[0]}")
    if left_out:
        more = f"; and {len(left_out) - _SHOWN} more" if len(left_out) > _SHOWN else ""
        _log.warning("server %r: left out: %s%s", server, "; ".join(left_out[:_SHOWN]), more)
    return found


def _items(description: Description, schemas: Schemas) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, written in description.paths.items():
        try:
            item = schemas.resolved(written)
        except Unusable as reason:
            _log.warning("the path %s is left out: it %s", _printable(str(path)), reason)
            continue
        if isinstance(item, Mapping) and str(path).startswith("/"):
            yield from ((str(path), method, item) for method in METHODS if isinstance(item.get(method), Mapping))


class _Reader:
    def __init__(self, description: Description, schemas: Schemas, bases: Bases, picked: Picked) -> None:
        self._document = description.document
        self._schemas = schemas
        self._bases = bases
        self._picked = picked

    def operation(self, path: str, method: str, item: Mapping[str, Any], taken: Collection[str]) -> Operation | None:
        """None where it is not wanted. Raises `Unusable` and pydantic's `ValidationError`."""
        written: Mapping[str, Any] = item[method]
        where = f"{method.upper()} {path}"
        own_name = written.get("operationId")
        named = own_name if isinstance(own_name, str) and own_name.strip() else f"{method}{path}"
        name = legal(named, method)
        if not self._picked.has({where, named, name}):
            return None
        parameters = self._parameters(item, written)
        request = self._schemas.resolved(written.get("requestBody"))
        model = v3_1.Operation.model_validate(_structure(written, parameters, request))
        arguments, parts = described_parameters(path, model, parameters, self._schemas, self._picked.own_headers)
        taken_names = {argument.name for argument in arguments}
        body, body_part = described_body(model.requestBody, request, self._schemas, taken_names)
        name = unique(name, where, taken)
        requirements = model.security if model.security is not None else self._document.get("security")
        whole = Parts(parts, body_part, self._answers(written), self._schemas)
        tool, answer = tool_of(name, where, model, whole)
        return Operation(
            name=name,
            method=method.upper(),
            path=path,
            base=self._base(item, written),
            arguments=arguments,
            body=body,
            security=_ways(requirements),
            tool=tool,
            answer=answer,
        )

    def _parameters(self, item: Mapping[str, Any], written: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Those of the path, unless the operation has one of the same name and place (3.1.1, 4.8.10)."""
        listed = [*_list(item.get("parameters")), *_list(written.get("parameters"))]
        resolved = [self._schemas.resolved(parameter) for parameter in listed]
        kept = [parameter for parameter in resolved if isinstance(parameter, Mapping)]
        return list({(str(one.get("in")), str(one.get("name"))): one for one in kept}.values())

    def _base(self, item: Mapping[str, Any], written: Mapping[str, Any]) -> URL:
        return self._bases.of(written.get("servers") or item.get("servers"))

    def _answers(self, written: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """The media types of each answer that is a success."""
        responses = written.get("responses")
        if not isinstance(responses, Mapping):
            return []
        wanted = [answer for status, answer in responses.items() if str(status).startswith("2")]
        answers = [self._schemas.resolved(answer) for answer in wanted]
        return [_mapping(_mapping(answer).get("content")) for answer in answers]


def _structure(written: Mapping[str, Any], parameters: list[Mapping[str, Any]], request: Any) -> dict[str, Any]:
    """What the models look at: all but the schemas, which stay as they are, and examples."""
    plain = ("operationId", "summary", "description", "deprecated", "tags", "security", "servers")
    structure: dict[str, Any] = {key: written[key] for key in plain if written.get(key) is not None}
    structure["parameters"] = [
        {**{key: one[key] for key in one if key not in {"schema", "example", "examples", "content"}},
         "content": _bare(one["content"]) if "content" in one else None}
        for one in parameters
    ]  # fmt: skip
    if isinstance(request, Mapping):
        structure["requestBody"] = {**request, "content": _bare(request.get("content"))}
    return structure


def _bare(content: Any) -> Any:
    """Media types with their encodings alone."""
    if not isinstance(content, Mapping):
        return content
    return {str(kind): {"encoding": _mapping(media).get("encoding")} for kind, media in content.items()}


def _ways(requirements: Any) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(map(str, one)) for one in _list(requirements) if isinstance(one, Mapping))


def _printable(text: str) -> str:
    """A description may be anybody's, and a log is read line by line."""
    return text if text.isprintable() else repr(text)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
