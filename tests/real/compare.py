"""When two answers are the same.

Between sides of one era: when every field is. Across eras a result has to gain or lose the members that the modern era
defines for every result, and nothing else may differ.
"""

from collections.abc import Callable
from typing import Any

from tests.exact import Number
from tests.peers import MODERN, Answer, Peer

__all__ = ["LISTS", "listed", "offered", "progress", "same"]

LISTS = {
    "tools": ("tools/list", "name"),
    "prompts": ("prompts/list", "name"),
    "resources": ("resources/list", "uri"),
    "resourceTemplates": ("resources/templates/list", "uriTemplate"),
}

_SERVER_INFO = "io.modelcontextprotocol/serverInfo"
_NOT_FOUND = {"-32002": "-32602"}  # legacy → modern, where a resource does not exist


def same(direct: Answer, through: Answer, level: Callable[[Any], Any], *, link: str, client: str) -> None:
    """`link` and `client` are the revisions in which the two were asked. Raises `AssertionError` where they differ."""
    if _refused_here(through):
        # By the tool's own schema, before the server was asked; which would have refused it too, in words of its own.
        assert "error" in direct.message or direct.result.get("isError") is True
        return
    if "error" in direct.message:
        expected, found = dict(direct.error), dict(through.error)
        if link != client:
            expected["code"] = _spelt(expected["code"], client)
    else:
        expected, found = level(direct.result), level(through.result)
        if link != client:
            assert found.get("resultType") == ("complete" if client == MODERN else None)
            expected, found = _bare(expected), _bare(found)
    assert found == expected


def _refused_here(answer: Answer) -> bool:
    content = answer.message.get("result", {}).get("content", [])
    return bool(content) and str(content[0].get("text")).startswith("The arguments do not fit the inputSchema of ")


def _spelt(code: Number, client: str) -> Number:
    return Number(_NOT_FOUND.get(code.text, code.text)) if client == MODERN else code


def _bare(result: dict[str, Any]) -> dict[str, Any]:
    bare = {name: value for name, value in result.items() if name not in {"resultType", "ttlMs", "cacheScope"}}
    if meta := {name: value for name, value in bare.pop("_meta", {}).items() if name != _SERVER_INFO}:
        bare["_meta"] = meta
    return bare


def progress(answer: Answer) -> list[Any]:
    return [
        notification["params"]
        for notification in answer.notifications
        if notification["method"] == "notifications/progress"
    ]


async def listed(peer: Peer, kind: str) -> list[dict[str, Any]]:
    """All pages of a list; nothing where the server says that it has no such list."""
    method, _ = LISTS[kind]
    items: list[dict[str, Any]] = []
    params: dict[str, Any] = {}
    while True:
        answer = await peer.request(method, params)
        if "error" in answer.message:
            assert answer.error["code"] == Number("-32601")
            return items
        if peer.version == MODERN:
            assert answer.result["resultType"] == "complete"
        items += answer.result[kind]
        if "nextCursor" not in answer.result:
            return items
        params = {"cursor": answer.result["nextCursor"]}


async def offered(peer: Peer) -> set[str]:
    """All names and URIs that a server lists."""
    return {item[key] for kind, (_, key) in LISTS.items() for item in await listed(peer, kind)}
