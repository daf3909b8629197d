"""What the scripted servers offer: every kind of thing, with members that no revision names."""

from typing import Any, Final

from tests.exact import Number
from tests.transparency.scripted import Offer

__all__ = ["ICONS", "LISTS", "ODD", "offer"]

# Values that careless hands change: digits beyond doubles, forms of numbers, line ends that are none.
ODD: Final[dict[str, Any]] = {
    "big": Number("123456789012345678901234567890"),
    "beyond": Number("9007199254740993"),
    "form": [Number("1.10"), Number("1.1"), Number("1.0"), Number("1"), Number("1e2"), Number("1E+2"), Number("-0")],
    "huge": Number("1e400"),
    "lines": "a\u2028b\u2029c\u0085d\r\ne\x7f",
    "astral": "😀 ﷽ \u0000",
    "": None,
    "nested": {"deep": [[[{"true": True, "false": False}]], {}, [], ""]},
}
ICONS: Final = [{"src": "data:,x", "mimeType": "image/png", "sizes": ["48x48", "any"], "theme": "dark", "x": ODD}]
LISTS: Final = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
}


def offer(name: str) -> Offer:
    common = {"title": "A title", "description": "What it is", "icons": ICONS, "_meta": {"a/b": ODD}, "unknown": ODD}
    tool = {
        **common,
        "inputSchema": {"type": "object", "properties": {"a": {"x": ODD}}, "$defs": {}, "x": ODD},
        "outputSchema": {"type": "object", "additionalProperties": True, "x": Number("1.10")},
        "annotations": {"title": "t", "readOnlyHint": False, "destructiveHint": True, "x": ODD},
        "execution": {"taskSupport": "forbidden"},
    }
    prompt = {**common, "arguments": [{"name": "who", "title": "Who", "required": True, "x": ODD}]}
    annotations = {"audience": ["user", "robot"], "priority": Number("0.50"), "lastModified": "2025-01-01T00:00:00Z"}
    resource = {**common, "mimeType": "text/plain", "annotations": annotations, "size": Number("9007199254740993")}
    return Offer(
        capabilities={
            "tools": {"listChanged": True},
            "prompts": {"listChanged": True},
            "resources": {"listChanged": True, "subscribe": True},
            "completions": {},
            "logging": {},
            "experimental": {"x/y": {"z": [True, None, "\u2028"]}},
            "extensions": {"example.com/ours": {"since": Number("3")}},
        },
        server_info={"name": name, "title": "Scripted", "version": "1", "icons": [{"src": "data:,y"}], "x": {"y": []}},
        instructions="Read me.\u2028Then call.",
        pages={
            "tools/list": [
                {"tools": [{"name": "zebra", **tool}, {"name": "apple", "inputSchema": {"type": "object"}}]},
                {"tools": [{"name": "middle", **tool}]},
            ],
            "prompts/list": [{"prompts": [{"name": "zulu", **prompt}]}, {"prompts": [{"name": "alpha", **prompt}]}],
            "resources/list": [
                {"resources": [{"uri": f"{name}://z", "name": "z", **resource}]},
                {"resources": [{"uri": f"{name}://a", "name": "a", **resource}]},
            ],
            "resources/templates/list": [
                {"resourceTemplates": [{"uriTemplate": f"{name}://t/{{x}}", "name": "t", **resource}]}
            ],
        },
    )
