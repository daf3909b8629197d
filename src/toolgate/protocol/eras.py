"""The revisions of MCP, the two eras they fall into, and which methods each knows."""

from enum import StrEnum
from typing import Final

__all__ = [
    "CLIENT_CAPABILITIES",
    "CLIENT_INFO",
    "ENVELOPE_KEYS",
    "LATEST_LEGACY",
    "LEGACY_METHODS",
    "LEGACY_VERSIONS",
    "LOG_LEVEL",
    "LOG_LEVELS",
    "MAY_NEED_INPUT",
    "MODERN_METHODS",
    "MODERN_VERSIONS",
    "NAME_KEYS",
    "PROTOCOL_VERSION",
    "SERVER_INFO",
    "SUBSCRIPTION_ID",
    "Era",
    "era_of",
]


class Era(StrEnum):
    """Modern: every request says for itself what it needs (2026-07-28). Legacy: `initialize` and sessions."""

    MODERN = "modern"
    LEGACY = "legacy"


MODERN_VERSIONS: Final = ("2026-07-28",)
LEGACY_VERSIONS: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
LATEST_LEGACY: Final = LEGACY_VERSIONS[-1]

# Keys of `_meta` (2026-07-28, Overview, Reserved keys).
PROTOCOL_VERSION: Final = "io.modelcontextprotocol/protocolVersion"
CLIENT_INFO: Final = "io.modelcontextprotocol/clientInfo"
CLIENT_CAPABILITIES: Final = "io.modelcontextprotocol/clientCapabilities"
LOG_LEVEL: Final = "io.modelcontextprotocol/logLevel"
SUBSCRIPTION_ID: Final = "io.modelcontextprotocol/subscriptionId"
SERVER_INFO: Final = "io.modelcontextprotocol/serverInfo"
ENVELOPE_KEYS: Final = frozenset({PROTOCOL_VERSION, CLIENT_INFO, CLIENT_CAPABILITIES, LOG_LEVEL})

LOG_LEVELS: Final = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")

# The member of `params` that `Mcp-Name` mirrors (2026-07-28, Streamable HTTP, Standard Request Headers; extension
# io.modelcontextprotocol/tasks).
NAME_KEYS: Final = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "tasks/get": "taskId",
    "tasks/update": "taskId",
    "tasks/cancel": "taskId",
}

# The requests that a server may answer with questions (2026-07-28, Multi Round-Trip Requests, Supported Requests).
MAY_NEED_INPUT: Final = frozenset({"tools/call", "prompts/get", "resources/read"})

# What one era knows and the other does not: never an extension's.
LEGACY_METHODS: Final = frozenset(
    {"initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"}
)
MODERN_METHODS: Final = frozenset({"server/discover", "subscriptions/listen"})


def era_of(version: str) -> Era | None:
    """The era of a revision that we speak, or None."""
    if version in MODERN_VERSIONS:
        return Era.MODERN
    return Era.LEGACY if version in LEGACY_VERSIONS else None
