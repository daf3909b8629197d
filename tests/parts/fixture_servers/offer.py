"""What the fixture servers offer, as plain JSON, so that servers on both generations of the SDK offer the same.

It holds what a careless gateway loses: members that no revision knows (`x-…`), integers beyond 2^53, line separators
that are not line ends in JSON, empty containers, nulls with a meaning, icons, annotations and `_meta` at every level.
"""

from collections.abc import Mapping
from typing import Any, Final

__all__ = [
    "COMPLETIONS",
    "PAGE",
    "PROMPTS",
    "PROMPT_RESULTS",
    "RESOURCES",
    "RESOURCE_RESULTS",
    "RESULTS",
    "TEMPLATES",
    "TOOLS",
    "page",
]

PAGE: Final = 3  # items a page

_ANY: Final[dict[str, Any]] = {"type": "object", "additionalProperties": True}
_PIXEL: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
_ICONS: Final = [{"src": f"data:image/png;base64,{_PIXEL}", "mimeType": "image/png", "sizes": ["1x1"]}]
_TEXT: Final = 'line\u2028separator, paragraph\u2029separator, \u00e9\u0301, \U0001f50f, \u0000, \\u2028, "quoted"\n'
_UNKNOWN: Final = {"x-future": {"kept": [True, None, {"deep": 9007199254740993}]}}

TOOLS: Final[list[dict[str, Any]]] = [
    {
        "name": "rich",
        "title": "Everything a result can hold",
        "description": _TEXT,
        "inputSchema": {"type": "object", "properties": {}},
        "outputSchema": {**_ANY, "properties": {"big": {"type": "integer"}}},
        "annotations": {"title": "Rich", "readOnlyHint": True, "openWorldHint": False},
        "icons": _ICONS,
        "_meta": {"com.example/tags": ["a", "b"], "com.example/big": 9007199254740993},
        **_UNKNOWN,
    },
    {"name": "echo", "description": "The arguments, as they came", "inputSchema": _ANY},
    {"name": "fails", "description": "A result that is an error", "inputSchema": _ANY},
    {"name": "refuses", "description": "A JSON-RPC error with data", "inputSchema": _ANY},
    {"name": "counts", "description": "Progress and log messages", "inputSchema": _ANY},
    {
        "name": "slow",
        "description": "Answers after so many seconds",
        "inputSchema": {"type": "object", "properties": {"seconds": {"type": "number"}}, "required": ["seconds"]},
    },
    {"name": "cancellations", "description": "How many slow calls were cancelled", "inputSchema": _ANY},
    {
        "name": "big",
        "description": "A text of so many bytes",
        "inputSchema": {"type": "object", "properties": {"size": {"type": "integer"}}, "required": ["size"]},
    },
]

RESULTS: Final[Mapping[str, dict[str, Any]]] = {
    "rich": {
        "content": [
            {"type": "text", "text": _TEXT, "annotations": {"audience": ["user"], "priority": 0.5}, **_UNKNOWN},
            {"type": "image", "data": _PIXEL, "mimeType": "image/png", "_meta": {"com.example/n": 1}},
            {"type": "audio", "data": "UklGRg==", "mimeType": "audio/wav"},
            {
                "type": "resource_link",
                "uri": "fixture://text",
                "name": "text",
                "title": "A link",
                "mimeType": "text/plain",
                "size": 12,
                "icons": _ICONS,
                "annotations": {"lastModified": "2026-01-02T03:04:05Z"},
            },
            {
                "type": "resource",
                "resource": {"uri": "fixture://text", "mimeType": "text/plain", "text": "hello text\n"},
            },
            {
                "type": "resource",
                "resource": {"uri": "fixture://blob", "blob": "AAECAw==", "_meta": {"com.example/k": []}},
            },
        ],
        "structuredContent": {
            "big": 9007199254740993,
            "negative": -9007199254740993,
            "tiny": 1e-7,
            "whole": 1.0,
            "text": _TEXT,
            "nothing": None,
            "empty": {"list": [], "object": {}, "text": ""},
        },
        "_meta": {"com.example/trace": "4bf92f", "com.example/null": None},
        **_UNKNOWN,
    },
    "fails": {"content": [{"type": "text", "text": "it did not work"}], "isError": True},
    "counts": {"content": [{"type": "text", "text": "counted to 3"}]},
}

PROMPTS: Final[list[dict[str, Any]]] = [
    {
        "name": "greet",
        "title": "Greet",
        "description": "A greeting",
        "arguments": [{"name": "who", "title": "Who", "description": "whom to greet", "required": True}],
        "icons": _ICONS,
        "_meta": {"com.example/prompt": True},
    },
    {"name": "picture", "description": "With an image and a resource"},
    {"name": "third", "description": "To fill the page"},
    {"name": "fourth", "description": "On the second page"},
]

_GREETING: Final = {"role": "user", "content": {"type": "text", "text": f"Greet this: {_TEXT}"}}
PROMPT_RESULTS: Final[Mapping[str, dict[str, Any]]] = {
    "greet": {"description": "A greeting", "messages": [_GREETING], "_meta": {"com.example/prompt": [1, 2.5]}},
    "picture": {
        "messages": [
            {"role": "user", "content": {"type": "image", "data": _PIXEL, "mimeType": "image/png"}},
            {"role": "assistant", "content": {"type": "resource", "resource": {"uri": "fixture://text", "text": "t"}}},
        ]
    },
    "third": {"messages": []},
    "fourth": {"messages": [_GREETING, _GREETING]},
}

RESOURCES: Final[list[dict[str, Any]]] = [
    {
        "uri": "fixture://text",
        "name": "text",
        "title": "Text",
        "mimeType": "text/plain",
        "size": 11,
        "annotations": {"audience": ["assistant"], "priority": 1},
        "icons": _ICONS,
        "_meta": {"com.example/resource": {}},
    },
    {"uri": "fixture://blob", "name": "blob", "mimeType": "application/octet-stream"},
    {"uri": "fixture://many", "name": "many", "description": "Several contents in one answer"},
    {"uri": "fixture://with%20space?q=1&r=%E2%82%AC", "name": "odd", "description": "A URI with escapes and a query"},
]

RESOURCE_RESULTS: Final[Mapping[str, dict[str, Any]]] = {
    "fixture://text": {
        "contents": [
            {"uri": "fixture://text", "mimeType": "text/plain", "text": _TEXT, "_meta": {"com.example/big": 2**60}}
        ]
    },
    "fixture://blob": {"contents": [{"uri": "fixture://blob", "blob": "AAECAw=="}]},
    "fixture://many": {
        "contents": [{"uri": "fixture://many/1", "text": "one"}, {"uri": "fixture://many/2", "blob": "Mg=="}]
    },
    "fixture://with%20space?q=1&r=%E2%82%AC": {
        "contents": [{"uri": "fixture://with%20space?q=1&r=%E2%82%AC", "text": "odd"}]
    },
    "fixture://item/7": {"contents": [{"uri": "fixture://item/7", "text": "item 7"}]},
}

TEMPLATES: Final[list[dict[str, Any]]] = [
    {
        "uriTemplate": "fixture://item/{id}",
        "name": "item",
        "title": "An item",
        "mimeType": "text/plain",
        "annotations": {"priority": 0.1},
        "_meta": {"com.example/template": None},
    },
]

COMPLETIONS: Final[Mapping[str, dict[str, Any]]] = {
    "greet": {"completion": {"values": ["world", "w\u00f6rld"], "total": 2, "hasMore": False}},
    "fixture://item/{id}": {"completion": {"values": ["7", "70"], "total": 120, "hasMore": True}},
}


def page(kind: str, items: list[dict[str, Any]], cursor: str | None) -> dict[str, Any]:
    """One page of a list, and the cursor of the next, which no client may look into."""
    start = int(cursor.removeprefix("after ")) if cursor else 0
    shown: dict[str, Any] = {kind: items[start : start + PAGE]}
    if start + PAGE < len(items):
        shown["nextCursor"] = f"after {start + PAGE}"
    return shown
