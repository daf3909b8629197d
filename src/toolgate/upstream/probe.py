"""Find a URL's era and shake hands (2026-07-28, Streamable HTTP, Backward Compatibility)."""

from dataclasses import dataclass
from typing import Final

from msgspec import UNSET

from toolgate.errors import SignInNeeded, StartFailed
from toolgate.pipeline.call import Reply
from toolgate.protocol import envelope, headers
from toolgate.protocol.capabilities import NONE
from toolgate.protocol.envelope import Message
from toolgate.protocol.eras import MODERN_VERSIONS, Era
from toolgate.upstream.endpoint import EVENT_STREAM, Answer, Endpoint, header_lines
from toolgate.upstream.era import DISCOVER, INITIALIZE, Hello, discover_params, initialize_params, initialized, judge
from toolgate.upstream.refusal import refusal

__all__ = ["Contact", "NotStreamable", "reply_of", "shake_hands"]

_KEY: Final = b"0"  # the link's own ids begin at 1


@dataclass(frozen=True, slots=True)
class Contact:
    """`session` is what a legacy server wants to see again; empty where it gave none."""

    hello: Hello
    session: str = ""


class NotStreamable(StartFailed):
    """There is no Streamable HTTP at this URL. There may be HTTP+SSE."""


async def shake_hands(endpoint: Endpoint, remembered: Era | None, capabilities: bytes = NONE) -> Contact:
    """Raises `NotStreamable`, other kinds of `StartFailed`, and `ServerUnavailable` where there is no connection."""
    if remembered is Era.LEGACY:
        answer = await _ask(endpoint, INITIALIZE, initialize_params(capabilities), {})
        if _is_result(answer):
            return await _open_session(endpoint, answer)
    return await _probe(endpoint, MODERN_VERSIONS[-1], capabilities)


async def _probe(endpoint: Endpoint, version: str, capabilities: bytes) -> Contact:
    answer = await _ask(
        endpoint, DISCOVER, discover_params(version), {headers.PROTOCOL_VERSION: version, headers.METHOD: DISCOVER}
    )
    reply = reply_of(answer.message)
    if answer.status in {401, 403} or 300 <= answer.status < 400 or answer.status >= 500:
        raise refusal(endpoint, answer)
    if reply is None and answer.status < 300:
        raise _not_streamable(endpoint, answer) if answer.media_type == EVENT_STREAM else refusal(endpoint, answer)
    if reply is not None:
        verdict = judge(reply, version)
        if verdict.again and verdict.again != version:
            return await _probe(endpoint, verdict.again, capabilities)
        if verdict.hello:
            return Contact(verdict.hello)
    return await _initialize(endpoint, capabilities)


async def _initialize(endpoint: Endpoint, capabilities: bytes) -> Contact:
    answer = await _ask(endpoint, INITIALIZE, initialize_params(capabilities), {})
    if answer.status in {400, 404, 405}:
        raise _not_streamable(endpoint, answer)
    return await _open_session(endpoint, answer)


def _not_streamable(endpoint: Endpoint, answer: Answer) -> NotStreamable:
    refused = refusal(endpoint, answer)
    if answer.status not in {404, 405}:
        return NotStreamable(refused.message, hint=refused.hint, server=endpoint.server)
    return NotStreamable(
        f"{refused.message}: there is no MCP endpoint",
        hint="check the path of its URL; it often ends in /mcp, or in /sse where the server speaks HTTP+SSE",
        server=endpoint.server,
    )


async def _open_session(endpoint: Endpoint, answer: Answer) -> Contact:
    reply = reply_of(answer.message)
    if reply is None or answer.status != 200:
        raise refusal(endpoint, answer)
    hello = initialized(reply)
    session = answer.headers.text(headers.SESSION_ID.lower().encode())
    told = {headers.PROTOCOL_VERSION: hello.version} | ({headers.SESSION_ID: session} if session else {})
    status = await endpoint.tell(envelope.notification("notifications/initialized"), header_lines(told))
    if status in {401, 403}:
        raise SignInNeeded(f"refuses access at {endpoint.origin} ({status})", server=endpoint.server)
    if status >= 300:
        raise StartFailed(f"refused notifications/initialized with {status}", server=endpoint.server)
    return Contact(hello, session)


def reply_of(message: Message | None) -> Reply | None:
    if message is None:
        return None
    if message.result is not UNSET:
        return Reply(bytes(message.result))
    return Reply(bytes(message.error), is_error=True) if message.error is not UNSET else None


async def _ask(endpoint: Endpoint, method: str, params: bytes, more: dict[str, str]) -> Answer:
    return await endpoint.ask(_KEY, envelope.request(_KEY, method, params), header_lines(more), _ignore)


def _is_result(answer: Answer) -> bool:
    return answer.status == 200 and answer.message is not None and answer.message.result is not UNSET


def _ignore(message: Message) -> None:
    """Nothing that comes before the handshake's end belongs to anyone."""
