"""Results of tools, in the shape of the modern era (2026-07-28, Tools, Tool Result)."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Raw

from toolgate.pipeline.call import Reply
from toolgate.protocol.envelope import dump

__all__ = ["failed", "refused", "result", "text"]


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def result(
    content: Sequence[Mapping[str, Any]],
    structured: Raw | None = None,
    meta: Mapping[str, Any] | None = None,
    *,
    is_error: bool = False,
) -> Reply:
    members: dict[str, Any] = {"resultType": "complete", "content": content}
    if structured is not None:
        members["structuredContent"] = structured
    if is_error:
        members["isError"] = True
    if meta:
        members["_meta"] = meta
    return Reply(dump(members))


def failed(said: str) -> Reply:
    """What a model can read and act on."""
    return result([text(said)], is_error=True)


def refused(code: int, said: str) -> Reply:
    """A JSON-RPC error."""
    return Reply(dump({"code": code, "message": said}), is_error=True)
