"""What the demonstration server offers: four tools, a resource, a template, a prompt, and completions."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event
from typing import Any, Final

__all__ = [
    "PROMPTS",
    "RESOURCES",
    "RESULTS",
    "TEMPLATES",
    "TOOLS",
    "BadArgumentError",
    "UnknownNameError",
    "complete",
    "countdown",
    "get_prompt",
    "read_resource",
]

Json = dict[str, Any]


class BadArgumentError(Exception):
    """A tool's argument that cannot be used: the model is told, and may try again."""


class UnknownNameError(Exception):
    """There is no such tool, prompt or resource."""


TOOLS: Final[list[Json]] = [
    {
        "name": "echo",
        "title": "Echo",
        "description": "Say back what was said.",
        "inputSchema": {
            "type": "object",
            "properties": {"text": {"type": "string", "description": "What to say back"}},
            "required": ["text"],
        },
        "annotations": {"readOnlyHint": True, "openWorldHint": False},
    },
    {
        "name": "add",
        "title": "Add",
        "description": "Add two numbers, and answer with structured content.",
        "inputSchema": {
            "type": "object",
            "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
            "required": ["a", "b"],
        },
        "outputSchema": {"type": "object", "properties": {"sum": {"type": "number"}}, "required": ["sum"]},
        "annotations": {"readOnlyHint": True, "openWorldHint": False},
    },
    {
        "name": "now",
        "title": "What time is it?",
        "description": "The time, in any time zone.",
        "inputSchema": {
            "type": "object",
            "properties": {"zone": {"type": "string", "description": "e.g. Europe/Berlin", "default": "UTC"}},
        },
        "outputSchema": {
            "type": "object",
            "properties": {"time": {"type": "string", "format": "date-time"}, "zone": {"type": "string"}},
            "required": ["time", "zone"],
        },
        "annotations": {"readOnlyHint": True, "openWorldHint": False},
    },
    {
        "name": "countdown",
        "title": "Countdown",
        "description": "Count down to zero, and report progress at each step.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "start": {"type": "integer", "minimum": 1, "maximum": 100, "default": 5},
                "pause": {"type": "number", "minimum": 0, "maximum": 5, "default": 0.2, "description": "Seconds"},
            },
        },
        "annotations": {"readOnlyHint": True, "openWorldHint": False},
    },
]

RESOURCES: Final[list[Json]] = [
    {
        "uri": "demo://welcome",
        "name": "welcome",
        "title": "Welcome",
        "description": "What this server is for.",
        "mimeType": "text/markdown",
    }
]

TEMPLATES: Final[list[Json]] = [
    {
        "uriTemplate": "demo://squares/{number}",
        "name": "squares",
        "title": "Squares",
        "description": "The square of a whole number.",
        "mimeType": "text/plain",
    }
]

PROMPTS: Final[list[Json]] = [
    {
        "name": "explain",
        "title": "Explain",
        "description": "Ask for an explanation.",
        "arguments": [
            {"name": "topic", "description": "What to explain", "required": True},
            {"name": "audience", "description": "To whom", "required": False},
        ],
    }
]

_WELCOME: Final = """# It works

This text comes from the demonstration server that Toolgate serves while it knows of no other.
Name your own servers in `toolgate.yaml`, or in your client's configuration, and this one makes room for them.
"""

_AUDIENCES: Final = ("a beginner", "a child", "a colleague", "an expert")


def _text(text: str) -> Json:
    return {"content": [{"type": "text", "text": text}]}


def _echo(arguments: Json) -> Json:
    text = arguments.get("text")
    if not isinstance(text, str):
        raise BadArgumentError("text must be a string")
    return _text(text)


def _add(arguments: Json) -> Json:
    total = _number(arguments, "a") + _number(arguments, "b")
    if not math.isfinite(total):
        raise BadArgumentError("the sum is too large")
    return {**_text(str(total)), "structuredContent": {"sum": total}}


def _now(arguments: Json) -> Json:
    zone = arguments.get("zone", "UTC")
    if zone == "UTC":
        moment = datetime.now(UTC)
    else:
        import zoneinfo  # noqa: PLC0415  # only this tool pays for reading the zones

        try:
            moment = datetime.now(zoneinfo.ZoneInfo(zone))
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
            raise BadArgumentError(f"there is no time zone {zone!r}; names look like Europe/Berlin") from error
    time = moment.isoformat(timespec="seconds")
    return {**_text(f"{time} ({zone})"), "structuredContent": {"time": time, "zone": zone}}


RESULTS: Final[dict[str, Callable[[Json], Json]]] = {"echo": _echo, "add": _add, "now": _now}
"""The tools that answer at once."""


def countdown(arguments: Json, report: Callable[[int, int, str], None], cancelled: Event) -> Json:
    """Calls `report(done, total, message)` at each step; stops early where `cancelled` is set."""
    start = _number(arguments, "start", 5)
    pause = _number(arguments, "pause", 0.2)
    if not isinstance(start, int) or not 1 <= start <= 100:
        raise BadArgumentError("start must be a whole number from 1 to 100")
    if not 0 <= pause <= 5:
        raise BadArgumentError("pause must be from 0 to 5 seconds")
    for done in range(1, start + 1):
        if cancelled.wait(pause):
            break
        report(done, start, f"{start - done} to go")
    return _text("Lift-off!")


def _number(arguments: Json, name: str, default: float | None = None) -> float:
    value = arguments.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadArgumentError(f"{name} must be a number")
    return value


def read_resource(uri: str) -> Json:
    if uri == "demo://welcome":
        return {"contents": [{"uri": uri, "mimeType": "text/markdown", "text": _WELCOME}]}
    number = uri.removeprefix("demo://squares/")
    if number == uri or not number.lstrip("-").isdecimal() or len(number) > 100:
        raise UnknownNameError(f"there is no resource {uri}")
    return {"contents": [{"uri": uri, "mimeType": "text/plain", "text": str(int(number) ** 2)}]}


def get_prompt(name: str, arguments: Json) -> Json:
    if name != "explain":
        raise UnknownNameError(f"there is no prompt {name}")
    if not arguments.get("topic"):
        raise UnknownNameError("the prompt needs the argument topic")
    text = f"Explain {arguments['topic']} to {arguments.get('audience') or _AUDIENCES[0]}, with one example."
    return {
        "description": "Ask for an explanation.",
        "messages": [{"role": "user", "content": {"type": "text", "text": text}}],
    }


def complete(reference: Json, argument: str, value: str) -> Json:
    of = (reference.get("type"), reference.get("name") or reference.get("uri"), argument)
    choices: tuple[str, ...] = ()
    if of == ("ref/prompt", "explain", "audience"):
        choices = _AUDIENCES
    elif of == ("ref/resource", "demo://squares/{number}", "number"):
        choices = tuple(str(number) for number in range(13))
    values = [choice for choice in choices if choice.startswith(value)]
    return {"completion": {"values": values, "total": len(values), "hasMore": False}}
