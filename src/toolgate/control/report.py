"""A server's state as the API and the command line show it."""

from collections.abc import Mapping
from typing import Any, Final

from toolgate.catalog.build import server_endpoint
from toolgate.catalog.snapshot import View
from toolgate.model.life import PHASES
from toolgate.model.server import GraphQl, Http, OpenApi, Stdio
from toolgate.model.tool import Kind
from toolgate.upstream.base import Status

__all__ = ["entry", "told"]

_TRANSPORTS: Final = {Stdio: "stdio", Http: "http", OpenApi: "openapi", GraphQl: "graphql"}


def entry(status: Status, views: Mapping[str, View]) -> dict[str, Any]:
    """Times are seconds since the epoch, latency is in milliseconds. Nothing in it is secret."""
    server = status.server
    view = views.get(server_endpoint(server.name))
    counts = {kind: len(view.of(kind)) if view is not None else 0 for kind in Kind}
    return {
        "name": server.name,
        "owner": server.owner,
        "source": server.provenance.source,
        "file": server.provenance.file,
        "transport": _TRANSPORTS[type(server.transport)],
        "state": status.state.value,
        "phase": PHASES[status.state].value,
        "since": status.since,
        "cause": status.cause.value,
        "actor": status.actor,
        "reason": status.reason,
        "hint": status.hint,
        "era": status.era.value if status.era is not None else None,
        "version": status.version,
        "tools": counts[Kind.TOOLS],
        "prompts": counts[Kind.PROMPTS],
        "resources": counts[Kind.RESOURCES] + counts[Kind.TEMPLATES],
        "latency_ms": round(status.latency * 1000, 2) if status.latency is not None else None,
        "last_error": status.last_error,
        "retry_at": status.retry_at,
        "breaker": status.circuit.value,
        "calls": status.calls,
    }


def told(status: Status) -> str:
    """A line for the server's log."""
    by = f" by {status.actor}" if status.actor else ""
    return f"{status.state.value} ({status.cause.value}{by}){': ' if status.reason else ''}{status.reason}"
