"""What the server says unasked, in either era: log messages, and that its lists changed, which they then have."""

from collections.abc import Callable, Coroutine
from typing import Any, Final

import mcp_types as types
from mcp.server.session import ServerSession
from mcp.server.subscriptions import InMemorySubscriptionBus, PromptsListChanged, ServerEvent, ToolsListChanged
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from tests.parts.conformance.asking import Context
from tests.parts.conformance.offer import EXTRA_PROMPT, EXTRA_TOOL, PROMPTS, TOOLS

__all__ = ["Announcing"]

_LEVELS: Final = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")


class Announcing:
    """Streams of the modern era listen on `bus`; sessions of the legacy era are told one by one."""

    def __init__(self) -> None:
        self.bus = InMemorySubscriptionBus()
        self.sessions: dict[str, ServerSession] = {}
        self.levels: dict[str, types.LoggingLevel] = {}
        self.tools = [*TOOLS]
        self.prompts = [*PROMPTS]

    def joined(self, context: Context) -> None:
        if (session := _session(context)) is not None:
            self.sessions.setdefault(session, context.session)

    def listen_from(self, context: Context, level: types.LoggingLevel) -> None:
        if (session := _session(context)) is not None:
            self.levels[session] = level

    async def log(self, context: Context, level: types.LoggingLevel, data: Any) -> None:
        """In the modern era the SDK leaves out what the request did not ask for; in the legacy era that is ours."""
        least = self.levels.get(_session(context) or "", "debug")
        if _LEVELS.index(level) >= _LEVELS.index(least):
            await context.session.send_log_message(level, data, "conformance", context.request_id)

    async def change_tools(self) -> None:
        _toggle(self.tools, EXTRA_TOOL)
        await self._tell(ToolsListChanged(), ServerSession.send_tool_list_changed)

    async def change_prompts(self) -> None:
        _toggle(self.prompts, EXTRA_PROMPT)
        await self._tell(PromptsListChanged(), ServerSession.send_prompt_list_changed)

    async def _tell(self, event: ServerEvent, tell: Callable[[ServerSession], Coroutine[Any, Any, None]]) -> None:
        await self.bus.publish(event)
        for session in self.sessions.values():
            await tell(session)


def _toggle(items: list[dict[str, Any]], item: dict[str, Any]) -> None:
    if item in items:
        items.remove(item)
    else:
        items.append(item)


def _session(context: Context) -> str | None:
    """The session's id, in the legacy era."""
    if context.protocol_version in MODERN_PROTOCOL_VERSIONS or context.request is None:
        return None
    session: str | None = context.request.headers.get("mcp-session-id")
    return session
