"""What of the published schemas crosses the gateway, and what does not and why.

The first is read from the schemas. Only the second is written down here, so what a new revision adds is tested, or
found to be missing.
"""

from typing import Final

from tests.transparency.schema import Node, published

__all__ = [
    "EXTENSION",
    "OTHERWISE",
    "UNIONS",
    "asked",
    "crossing",
    "entries",
    "errors",
    "forwarded",
    "in_call",
    "name_of",
]

UNIONS: Final = (
    "ClientRequest", "ClientNotification", "ClientResult", "InputRequest", "InputResponse",
    "ServerRequest", "ServerNotification", "ServerResult",
)  # fmt: skip
"""Between them they hold all that a revision lets the two sides say."""

EXTENSION: Final = "example.com/do"
"""A method that no revision knows. Its params and its result are what is common to all of them."""

_INTRODUCTION: Final = "the gateway introduces the server in its own result: test_introduced.py"
_LIST: Final = "the gateway lists from its catalogue; the entries are tested as they are, the pages in test_lists.py"
_SUBSCRIPTION: Final = "the gateway subscribes once for all clients: test_changes.py"
_TASKS: Final = "tasks of 2025-11-25 are not declared (docs/reference/eras.md, What cannot be bridged)"
_HOP: Final = "concerns the connection between two neighbours"

OTHERWISE: Final[dict[str, str]] = {
    # Requests of a client.
    "initialize": _INTRODUCTION,
    "server/discover": _INTRODUCTION,
    "ping": _HOP,
    "tools/list": _LIST,
    "prompts/list": _LIST,
    "resources/list": _LIST,
    "resources/templates/list": _LIST,
    "resources/subscribe": _SUBSCRIPTION,
    "resources/unsubscribe": _SUBSCRIPTION,
    "subscriptions/listen": _SUBSCRIPTION,
    "logging/setLevel": "the gateway keeps the level of each client: test_streams.py",
    "tasks/get": _TASKS,
    "tasks/result": _TASKS,
    "tasks/cancel": _TASKS,
    "tasks/list": _TASKS,
    # Results of a server.
    "InitializeResult": _INTRODUCTION,
    "DiscoverResult": _INTRODUCTION,
    "ListToolsResult": _LIST,
    "ListPromptsResult": _LIST,
    "ListResourcesResult": _LIST,
    "ListResourceTemplatesResult": _LIST,
    "SubscriptionsListenResult": _SUBSCRIPTION,
    "InputRequiredResult": "a round of questions, and its state: test_questions.py",
    "GetTaskResult": _TASKS,
    "GetTaskPayloadResult": _TASKS,
    "CancelTaskResult": _TASKS,
    "ListTasksResult": _TASKS,
    # What a client answers that is not the answer to a question.
    "ClientResult": "empty in 2026-07-28, where servers make no requests; the answers are InputResponse",
    # Notifications.
    "notifications/initialized": _HOP,
    "notifications/cancelled": "names an id, which is another one on each side: test_streams.py",
    "notifications/subscriptions/acknowledged": _SUBSCRIPTION,
    "notifications/resources/updated": _SUBSCRIPTION,
    "notifications/tools/list_changed": "the gateway compares lists itself: test_changes.py",
    "notifications/prompts/list_changed": "the gateway compares lists itself: test_changes.py",
    "notifications/resources/list_changed": "the gateway compares lists itself: test_changes.py",
    "notifications/tasks/status": _TASKS,
    "notifications/elicitation/complete": "not carried (docs/reference/eras.md, What cannot be bridged)",
    "notifications/roots/list_changed": "not carried: links are shared by clients with the same capabilities",
    # Errors.
    "URLElicitationRequiredError": "a round of questions in the modern era: tests/upstream",
    "HeaderMismatchError": _HOP,
    "UnsupportedProtocolVersionError": _HOP,
}
"""Methods and definitions that do not cross by themselves."""


def forwarded(revision: str) -> dict[str, tuple[Node, Node]]:
    """The params and the result of each request that servers answer, by method."""
    requests = published(revision).members("ClientRequest")
    definitions = published(revision).definitions
    return {
        name_of(node, name): (node["properties"]["params"], definitions[_result_of(name)])
        for name, node in requests.items()
        if name_of(node, name) not in OTHERWISE
    }


def asked(revision: str) -> dict[str, tuple[Node, Node]]:
    """The params and the answer of each question that a server may ask in the middle of a call, by method."""
    schema = published(revision)
    questions = schema.members("ServerRequest") | schema.members("InputRequest")
    return {
        name_of(node, name): (node["properties"]["params"], schema.definitions[_result_of(name)])
        for name, node in questions.items()
        if name_of(node, name) not in OTHERWISE
    }


def in_call(revision: str) -> dict[str, Node]:
    """The params of what a server says in the middle of a call, by method."""
    found = published(revision).methods("ServerNotification")
    return {method: node for method, node in found.items() if method not in OTHERWISE}


def entries(revision: str) -> dict[str, Node]:
    """The entries of each list, by its method."""
    schema = published(revision)
    found: dict[str, Node] = {}
    for name, node in schema.members("ClientRequest").items():
        properties = schema.definitions.get(_result_of(name), {}).get("properties", {})
        if "nextCursor" in properties and OTHERWISE[name_of(node, name)] is _LIST:
            (items,) = (each["items"] for each in properties.values() if each.get("type") == "array")
            found[name_of(node, name)] = items
    return found


def errors(revision: str) -> dict[str, Node]:
    """The errors that servers answer with, by their definitions."""
    schema = published(revision)
    found = {name: node for name, node in schema.errors().items() if name not in OTHERWISE}
    return {"Error": schema.definitions["Error"], **found}


def crossing(revision: str) -> dict[str, Node]:
    """All that crosses, by the names of methods and definitions."""
    definitions = published(revision).definitions
    requests = published(revision).members("ClientRequest")
    questions = published(revision).members("ServerRequest") | published(revision).members("InputRequest")
    answers = [
        _result_of(name) for name, node in (requests | questions).items() if name_of(node, name) not in OTHERWISE
    ]
    return {
        **{method: params for method, (params, _) in (forwarded(revision) | asked(revision)).items()},
        **{name: definitions[name] for name in ("RequestParams", "Result", *answers)},
        **in_call(revision),
        **entries(revision),
        **errors(revision),
    }


def name_of(node: Node, name: str) -> str:
    """The method, or else the definition: what `OTHERWISE` calls it."""
    method = node.get("properties", {}).get("method", {})
    return str(method.get("const", name))


def _result_of(request: str) -> str:
    return request.removesuffix("Request") + "Result"
