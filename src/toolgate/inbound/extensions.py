"""Methods that no revision of the core knows: they belong to extensions, and go to the server whose extension it is.

Where several servers meet, tasks (io.modelcontextprotocol/tasks) carry their server's name in their id; other
extensions have nothing to tell servers apart by, so their methods are served at `/servers/{server}/mcp`.
"""

from typing import Final

import msgspec
from msgspec import Raw

from toolgate.catalog.snapshot import Route, View
from toolgate.errors import MethodNotFound, NotListed
from toolgate.inbound.exchange import Exchange
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol.envelope import dump, fields
from toolgate.protocol.eras import LEGACY_METHODS, MODERN_METHODS

__all__ = ["may_name_task", "route_of", "with_task_names"]

_TASK: Final = "taskId"
_AT: Final = "."  # no name of a server has it
_text: Final = msgspec.json.Decoder(str)


def route_of(exchange: Exchange) -> Route:
    """Where a method that is not the core's leads. Raises `MethodNotFound`, and `NotListed` for a task of nobody."""
    view = exchange.view
    if exchange.method.startswith("tasks/") and _TASK in exchange.params:
        return _of_task(view, _text.decode(exchange.params[_TASK]))
    if exchange.method in LEGACY_METHODS | MODERN_METHODS or len(view.servers) != 1 or not _has_extensions(view):
        raise MethodNotFound(f"method {exchange.method!r} is not known in MCP {exchange.version}")
    return Route(view.servers[0], exchange.method)


def _has_extensions(view: View) -> bool:
    return bool(view.capabilities.get("extensions"))


def _of_task(view: View, task: str) -> Route:
    if len(view.servers) == 1:
        return Route(view.servers[0], task)
    server, _, own = task.partition(_AT)
    if server not in view.servers or not own:
        raise NotListed(f"there is no task {task!r} here", taskId=task)
    return Route(server, own)


def may_name_task(call: Call) -> bool:
    """Whether the reply to it may hold the id of a task: only a client that knows tasks is given one
    (io.modelcontextprotocol/tasks, Task Creation)."""
    return b"tasks" in call.capabilities or call.method.startswith("tasks/")


def with_task_names(reply: Reply, view: View, server: str) -> Reply:
    """The reply with its task id under the name that leads back to its server."""
    if reply.is_error or len(view.servers) == 1 or b'"taskId"' not in reply.payload:
        return reply
    members = fields(reply.payload, "a result")
    if _TASK not in members:
        return reply
    members[_TASK] = Raw(dump(f"{server}{_AT}{_text.decode(members[_TASK])}"))
    return Reply(dump(members))
