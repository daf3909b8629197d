"""A server's state as the API and the command line show it."""

from collections.abc import Mapping
from typing import Any

from toolgate.catalog.build import server_endpoint
from toolgate.catalog.snapshot import View
from toolgate.model.server import Stdio
from toolgate.model.tool import Kind
from toolgate.upstream.base import Status

__all__ = ["entry"]


def entry(status: Status, views: Mapping[str, View]) -> dict[str, Any]:
    """Times are seconds since the epoch, latency is in milliseconds. Nothing in it is secret."""
    server = status.server
    view = views.get(server_endpoint(server.name))
    counts = {kind: len(view.of(kind)) if view is not None else 0 for kind in Kind}
    return {
        "name": server.name,
        "source": server.provenance.source,
        "file": server.provenance.file,
        "transport": "stdio" if isinstance(server.transport, Stdio) else "http",
        "state": status.state.value,
        "since": status.since,
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
        "calls": status.calls,
    }
