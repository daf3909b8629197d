"""Which era a server is of: what is asked, and what its answers mean.

2026-07-28, Versioning, Backward Compatibility with Initialization-Based Versions; the mechanics differ by transport
(stdio, Backward Compatibility; Streamable HTTP, Backward Compatibility).
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from sys import float_info
from typing import Any, Final

import msgspec
from msgspec import Raw

from toolgate.errors import StartFailed
from toolgate.model.freshness import INTRODUCTION, Freshness
from toolgate.model.tool import Catalogue
from toolgate.pipeline.call import Reply
from toolgate.protocol.capabilities import NONE
from toolgate.protocol.envelope import Fields, dump, fields
from toolgate.protocol.eras import (
    LATEST_LEGACY,
    LEGACY_VERSIONS,
    MODERN_VERSIONS,
    SERVER_INFO,
    Era,
)
from toolgate.protocol.results import foreign
from toolgate.upstream.hints import hint_of
from toolgate.upstream.outgoing import IDENTITY, own_params

__all__ = [
    "DISCOVER",
    "INITIALIZE",
    "Hello",
    "Verdict",
    "discover_params",
    "error_words",
    "initialize_params",
    "initialized",
    "judge",
    "negotiate",
]

DISCOVER: Final = "server/discover"
INITIALIZE: Final = "initialize"

_SILENCE: Final = 5.0  # seconds after which a stdio server that doesn't answer the probe is asked in the other era too
_MODERN_ERRORS: Final = frozenset({-32020, -32021, -32022})

# What the gateway says for itself, in its own words or the server's.
_SAID: Final = frozenset({"protocolVersion", "supportedVersions", "capabilities", "serverInfo", "instructions"})

_HINT: Final = "update the server, or Toolgate"


@dataclass(frozen=True, slots=True)
class Hello:
    """What a handshake told. `head` is a catalogue without items."""

    era: Era
    version: str
    head: Catalogue


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the answer to a probe means: `hello`, or ask again in revision `again`, or else it is a legacy server."""

    hello: Hello | None = None
    again: str = ""


def _number(text: str) -> float:
    """One that no double holds must not hide what else is said."""
    return min(max(float(text), -float_info.max), float_info.max)


_introduction: Final = msgspec.json.Decoder(float_hook=_number)


class _Error(msgspec.Struct):
    code: int = 0
    message: str = ""
    data: Any = None


def discover_params(version: str) -> bytes:
    params = own_params(b"{}", Era.MODERN, version)
    return params or b"{}"


def initialize_params(capabilities: bytes) -> bytes:
    """`capabilities` are those of the callers that the link is for."""
    return dump({"protocolVersion": LATEST_LEGACY, "capabilities": Raw(capabilities), "clientInfo": IDENTITY})


def judge(reply: Reply, asked: str) -> Verdict:
    """What a server is, after it was asked for `server/discover` in revision `asked`.

    Raises `StartFailed` for a server that is modern and yet cannot be spoken with.
    """
    if reply.is_error:
        return _judge_error(reply.payload, asked)
    result = _object(reply.payload)
    supported = result.get("supportedVersions")
    if not isinstance(supported, list):
        return Verdict()
    if asked not in supported:
        return _choose(supported)
    meta = result.get("_meta")
    info = meta.get(SERVER_INFO) if isinstance(meta, dict) else None
    return Verdict(Hello(Era.MODERN, asked, _head(result, info, fields(reply.payload))))


def initialized(reply: Reply) -> Hello:
    """What an answer to `initialize` told. Raises `StartFailed`."""
    if reply.is_error:
        raise StartFailed(f"refused to initialize: {error_words(reply.payload)}")
    result = _object(reply.payload)
    version = result.get("protocolVersion")
    if not isinstance(version, str):
        raise StartFailed("does not speak MCP: its answer to initialize names no protocolVersion")
    if version not in LEGACY_VERSIONS:
        raise StartFailed(f"speaks only revision {version[:40]!r} of MCP, which Toolgate does not know", hint=_HINT)
    return Hello(Era.LEGACY, version, _head(result, result.get("serverInfo"), fields(reply.payload)))


def error_words(error: bytes) -> str:
    """`message (code)` of an error that a server sent."""
    decoded = _error(error)
    return f"{decoded.message[:300]} ({decoded.code})"


Ask = Callable[[str, bytes], asyncio.Future[Reply]]
"""Sends a request of this method and params; the future gets the answer, or the end of the link."""


async def negotiate(ask: Ask, remembered: Era | None, capabilities: bytes = NONE) -> Hello:
    """The stdio probe. Raises `StartFailed`, and whatever a future of `ask` is given when the link ends."""
    if remembered is Era.LEGACY:
        reply = await ask(INITIALIZE, initialize_params(capabilities))
        if not reply.is_error:
            return initialized(reply)
    return await _probe(ask, MODERN_VERSIONS[-1], capabilities)


async def _probe(ask: Ask, version: str, capabilities: bytes) -> Hello:
    probe = ask(DISCOVER, discover_params(version))
    await asyncio.wait({probe}, timeout=_SILENCE)
    if not probe.done():
        return await _either(ask, probe, version, capabilities)
    verdict = judge(await probe, version)
    if verdict.hello:
        return verdict.hello
    if verdict.again:
        return await _again(ask, verdict.again)
    return initialized(await ask(INITIALIZE, initialize_params(capabilities)))


async def _again(ask: Ask, version: str) -> Hello:
    verdict = judge(await ask(DISCOVER, discover_params(version)), version)
    if verdict.hello is None:
        raise StartFailed("changes its mind about the revisions of MCP that it speaks", hint=_HINT)
    return verdict.hello


async def _either(ask: Ask, probe: asyncio.Future[Reply], version: str, capabilities: bytes) -> Hello:
    """It is silent: slow to start, or a legacy server that leaves unknown requests unanswered. Whichever answer comes
    decides, and the child is not killed for it (a first `npx` downloads for longer than the probe waits)."""
    opening = ask(INITIALIZE, initialize_params(capabilities))
    await asyncio.wait({probe, opening}, return_when=asyncio.FIRST_COMPLETED)
    if probe.done() or (await opening).is_error:
        verdict = judge(await probe, version)
        if verdict.hello:
            return verdict.hello
    return initialized(await opening)


def _judge_error(payload: bytes, asked: str) -> Verdict:
    error = _error(payload)
    supported = error.data.get("supported") if isinstance(error.data, dict) else None
    if isinstance(supported, list):
        verdict = _choose(supported)
        if verdict.again == asked:
            raise StartFailed(f"refuses revision {asked} and yet lists it: {error_words(payload)}")
        return verdict
    if error.code in _MODERN_ERRORS:
        raise StartFailed(f"speaks a modern revision of MCP but refused {DISCOVER}: {error_words(payload)}", hint=_HINT)
    return Verdict()


def _choose(supported: list[Any]) -> Verdict:
    """A dual-era server lists its legacy revisions too: one of those is better than none."""
    for version in reversed(MODERN_VERSIONS):
        if version in supported:
            return Verdict(again=version)
    if any(version in supported for version in LEGACY_VERSIONS):
        return Verdict()
    listed = ", ".join(str(version)[:20] for version in supported[:5])
    raise StartFailed(f"speaks only revisions of MCP that Toolgate does not know: {listed}", hint=_HINT)


def _head(result: dict[str, Any], info: Any, raw: Fields) -> Catalogue:
    capabilities, instructions = result.get("capabilities"), result.get("instructions")
    more = foreign(raw, _SAID)
    return Catalogue(
        items={},
        capabilities=capabilities if isinstance(capabilities, dict) else {},
        server_info=info if isinstance(info, dict) else {},
        instructions=instructions if isinstance(instructions, str) else "",
        more={INTRODUCTION: dump(more)} if more else {},
        freshness=Freshness({INTRODUCTION: hint_of(raw, time.time())}),
    )


def _object(payload: bytes) -> dict[str, Any]:
    try:
        decoded = _introduction.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return decoded if isinstance(decoded, dict) else {}


def _error(payload: bytes) -> _Error:
    try:
        return msgspec.json.decode(payload, type=_Error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Error(message="an error without a message")
