"""Asking the client for input in the middle of a request, in either era, so that each tool is written once.

The legacy era pushes a request on the stream of the call and waits. The modern era ends the request with
`input_required` (2026-07-28, Multi Round-Trip Requests) and runs the handler again when the retry brings the answers.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import mcp_types as types
from mcp import MCPError
from mcp.server.context import ServerRequestContext
from mcp.shared.message import ServerMessageMetadata
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

__all__ = ["Asking", "Context", "InputRequired"]

Context = ServerRequestContext[Any, Any]

_RESULTS: Final[Mapping[str, type[types.Result]]] = {
    "elicitation/create": types.ElicitResult,
    "sampling/createMessage": types.CreateMessageResult,
    "roots/list": types.ListRootsResult,
}
_CAPABILITIES: Final = {
    "elicitation/create": "elicitation",
    "sampling/createMessage": "sampling",
    "roots/list": "roots",
}


class InputRequired(Exception):
    """The request ends here with this result; the client retries it."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__("input required")
        self.result = result


@dataclass(frozen=True)
class Asking:
    """What one request may ask of its client."""

    context: Context

    @property
    def modern(self) -> bool:
        return self.context.protocol_version in MODERN_PROTOCOL_VERSIONS

    def able(self, method: str) -> bool:
        """Whether the client said that it answers this method."""
        capabilities = self.context.session.client_capabilities
        return capabilities is not None and getattr(capabilities, _CAPABILITIES[method]) is not None

    def require(self, *methods: str) -> None:
        """Raise -32021 with the missing capabilities as an object; the legacy era, which has no such code, -32600."""
        missing: dict[str, Any] = {_CAPABILITIES[method]: {} for method in methods if not self.able(method)}
        if missing:
            message = f"The client lacks a required capability: {', '.join(missing)}"
            if not self.modern:
                raise MCPError(types.INVALID_REQUEST, message)
            raise MCPError(types.MISSING_REQUIRED_CLIENT_CAPABILITY, message, {"requiredCapabilities": missing})

    async def ask(self, requests: Mapping[str, dict[str, Any]], *, state: bool = False) -> dict[str, dict[str, Any]]:
        """The answers by the keys of the requests.

        With `state`, the answers of earlier rounds travel in the request's state, so that a handler may ask again.
        """
        self.require(*{request["method"] for request in requests.values()})
        if not self.modern:
            answers = await asyncio.gather(*(self._push(request) for request in requests.values()))
            return dict(zip(requests, answers, strict=True))
        params = self.context.params or {}
        kept = json.loads(params.get("requestState") or "{}") if state else {}
        given = {**kept, **(params.get("inputResponses") or {})}
        if requests.keys() <= given.keys():
            return {key: given[key] for key in requests}
        result: dict[str, Any] = {"resultType": "input_required", "inputRequests": dict(requests)}
        if state:
            result["requestState"] = json.dumps(given)
        raise InputRequired(result)

    async def _push(self, request: dict[str, Any]) -> dict[str, Any]:
        """On the stream of the call, which the SDK's own `list_roots` would not use."""
        answer = await self.context.session.send_request(
            types.server_request_adapter.validate_python(request),
            _RESULTS[request["method"]],
            metadata=ServerMessageMetadata(related_request_id=self.context.request_id),
        )
        return answer.model_dump(by_alias=True, mode="json", exclude_none=True)
