"""What the conformance suite expects of the server that it tests: names, schemas and contents, as plain JSON."""

from typing import Any, Final

__all__ = [
    "COMPLETION",
    "ELICIT_CONTEXT",
    "ELICIT_DEFAULTS",
    "ELICIT_ENUMS",
    "ELICIT_NAME",
    "EXTRA_PROMPT",
    "EXTRA_TOOL",
    "IMAGE",
    "PROMPTS",
    "PROMPT_RESULTS",
    "RESOURCES",
    "RESOURCE_CONTENTS",
    "TEMPLATES",
    "TOOLS",
    "TOOL_RESULTS",
    "elicit",
    "sample",
    "text",
    "user",
]

_PIXEL: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
_SILENCE: Final = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA="

IMAGE: Final[dict[str, Any]] = {"type": "image", "data": _PIXEL, "mimeType": "image/png"}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def user(content: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": content}


def elicit(message: str, required: list[str] | None = None, **properties: Any) -> dict[str, Any]:
    """A form; every property is required where `required` is not given."""
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
    }
    return {"method": "elicitation/create", "params": {"mode": "form", "message": message, "requestedSchema": schema}}


def sample(prompt: str, tokens: int = 100) -> dict[str, Any]:
    return {"method": "sampling/createMessage", "params": {"messages": [user(text(prompt))], "maxTokens": tokens}}


ELICIT_NAME: Final = elicit("What is your name?", name={"type": "string"})
ELICIT_CONTEXT: Final = elicit("What context should the prompt use?", context={"type": "string"})
ELICIT_DEFAULTS: Final = elicit(
    "Defaults of every primitive type",
    required=[],
    name={"type": "string", "default": "John Doe"},
    age={"type": "integer", "default": 30},
    score={"type": "number", "default": 95.5},
    status={"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
    verified={"type": "boolean", "default": True},
)
_OPTIONS: Final = ["option1", "option2", "option3"]
_TITLED: Final = [
    {"const": f"value{number}", "title": f"{title} Option"}
    for number, title in enumerate(("First", "Second", "Third"), 1)
]
ELICIT_ENUMS: Final = elicit(
    "Every form of a choice",
    required=[],
    untitledSingle={"type": "string", "enum": _OPTIONS},
    titledSingle={"type": "string", "oneOf": _TITLED},
    legacyEnum={
        "type": "string",
        "enum": ["opt1", "opt2", "opt3"],
        "enumNames": ["Option One", "Option Two", "Option Three"],
    },
    untitledMulti={"type": "array", "items": {"type": "string", "enum": _OPTIONS}},
    titledMulti={"type": "array", "items": {"anyOf": _TITLED}},
)

_NOTHING: Final[dict[str, Any]] = {"type": "object", "properties": {}}


def _tool(name: str, description: str, schema: dict[str, Any] = _NOTHING) -> dict[str, Any]:
    return {"name": name, "description": description, "inputSchema": schema}


def _needs(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": "string", **more}}, "required": [name]}


_SCHEMA_2020_12: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}

TOOLS: Final[list[dict[str, Any]]] = [
    _tool("test_simple_text", "Answers with a text"),  # the first, since the suite calls the first with no arguments
    _tool("test_image_content", "Answers with an image"),
    _tool("test_audio_content", "Answers with sound"),
    _tool("test_embedded_resource", "Answers with a resource"),
    _tool("test_multiple_content_types", "Answers with several kinds of content"),
    _tool("test_error_handling", "Always fails"),
    _tool("test_tool_with_logging", "Sends three log messages"),
    _tool("test_logging_tool", "Sends a log message"),
    _tool("test_tool_with_progress", "Reports progress three times"),
    _tool("test_reconnection", "Closes its stream before it answers"),
    _tool("test_sampling", "Asks the client's model", _needs("prompt")),
    _tool("test_elicitation", "Asks the user", _needs("message")),
    _tool("test_elicitation_sep1034_defaults", "Asks the user, with defaults"),
    _tool("test_elicitation_sep1330_enums", "Asks the user, with choices"),
    _tool("test_streaming_elicitation", "Asks the user on a stream"),
    _tool("test_missing_capability", "Needs a client that can sample"),
    _tool("test_trigger_tool_change", "Adds a tool, or takes it away again"),
    _tool("test_trigger_prompt_change", "Adds a prompt, or takes it away again"),
    _tool("test_input_required_result_elicitation", "Asks the user for a name"),
    _tool("test_input_required_result_sampling", "Asks the client's model for a capital"),
    _tool("test_input_required_result_list_roots", "Asks the client for its roots"),
    _tool("test_input_required_result_request_state", "Asks for a confirmation, and keeps a state"),
    _tool("test_input_required_result_multiple_inputs", "Asks for three things at once"),
    _tool("test_input_required_result_multi_round", "Asks twice"),
    _tool("test_input_required_result_tampered_state", "Keeps a state that nobody may change"),
    _tool("test_input_required_result_capabilities", "Asks for what the client can answer"),
    _tool(
        "test_custom_header",
        "Takes an argument that is mirrored in a header",
        _needs("region", **{"x-mcp-header": "Region"}),
    ),
    _tool("json_schema_2020_12_tool", "Tool with JSON Schema 2020-12 features", _SCHEMA_2020_12),
]

EXTRA_TOOL: Final = _tool("test_extra_tool", "Comes and goes")

_EMBEDDED: Final = {
    "uri": "test://embedded-resource",
    "mimeType": "text/plain",
    "text": "This is an embedded resource content.",
}
_MIXED: Final = {
    "uri": "test://mixed-content-resource",
    "mimeType": "application/json",
    "text": '{"test":"data","value":123}',
}

TOOL_RESULTS: Final[dict[str, dict[str, Any]]] = {
    "test_simple_text": {"content": [text("This is a simple text response for testing.")]},
    "test_image_content": {"content": [IMAGE]},
    "test_audio_content": {"content": [{"type": "audio", "data": _SILENCE, "mimeType": "audio/wav"}]},
    "test_embedded_resource": {"content": [{"type": "resource", "resource": _EMBEDDED}]},
    "test_multiple_content_types": {
        "content": [text("Multiple content types test:"), IMAGE, {"type": "resource", "resource": _MIXED}]
    },
    "test_error_handling": {
        "content": [text("This tool intentionally returns an error for testing")],
        "isError": True,
    },
    "test_custom_header": {"content": [text("The header said what the argument says.")]},
    "json_schema_2020_12_tool": {"content": [text("valid")]},
}

RESOURCES: Final[list[dict[str, Any]]] = [
    {"uri": "test://static-text", "name": "static-text", "description": "A text", "mimeType": "text/plain"},
    {"uri": "test://static-binary", "name": "static-binary", "description": "An image", "mimeType": "image/png"},
    {"uri": "test://watched-resource", "name": "watched", "description": "To watch", "mimeType": "text/plain"},
    {"uri": "test://example-resource", "name": "example", "description": "To embed", "mimeType": "text/plain"},
]
RESOURCE_CONTENTS: Final[dict[str, dict[str, Any]]] = {
    "test://static-text": {"mimeType": "text/plain", "text": "This is the content of the static text resource."},
    "test://static-binary": {"mimeType": "image/png", "blob": _PIXEL},
    "test://watched-resource": {"mimeType": "text/plain", "text": "Watched resource content."},
    "test://example-resource": {"mimeType": "text/plain", "text": "Embedded resource content for testing."},
}
TEMPLATES: Final[list[dict[str, Any]]] = [
    {
        "uriTemplate": "test://template/{id}/data",
        "name": "template",
        "description": "Data by its id",
        "mimeType": "application/json",
    }
]


def _argument(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "description": description, "required": True}


PROMPTS: Final[list[dict[str, Any]]] = [
    {"name": "test_simple_prompt", "description": "A prompt without arguments"},
    {
        "name": "test_prompt_with_arguments",
        "description": "A prompt with arguments",
        "arguments": [_argument("arg1", "First test argument"), _argument("arg2", "Second test argument")],
    },
    {
        "name": "test_prompt_with_embedded_resource",
        "description": "A prompt with a resource",
        "arguments": [_argument("resourceUri", "URI of the resource to embed")],
    },
    {"name": "test_prompt_with_image", "description": "A prompt with an image"},
    {"name": "test_input_required_result_prompt", "description": "A prompt that asks the user first"},
]
EXTRA_PROMPT: Final = {"name": "test_extra_prompt", "description": "Comes and goes"}
PROMPT_RESULTS: Final[dict[str, dict[str, Any]]] = {
    "test_simple_prompt": {"messages": [user(text("This is a simple prompt for testing."))]},
    "test_prompt_with_image": {"messages": [user(IMAGE), user(text("Please analyze the image above."))]},
}

COMPLETION: Final[dict[str, Any]] = {
    "completion": {"values": ["paris", "park", "party"], "total": 150, "hasMore": False}
}
