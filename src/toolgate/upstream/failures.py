"""The words for what goes wrong between a call and its server."""

import time

from toolgate.errors import BrokenReply, DeadlineExceeded, ResponseTooLarge, ServerUnavailable, Stopped
from toolgate.pipeline.call import Call

__all__ = ["broken", "ended", "gone", "how_to_start", "late", "late_request", "stopped", "too_large"]


def late(call: Call) -> DeadlineExceeded:
    server = call.route.server
    return DeadlineExceeded(
        f"server {server!r} did not answer {call.method} {call.route.name!r} within {call.timeout:g} s",
        hint=f"raise servers.{server}.timeout or tool_timeouts if it needs longer",
        server=server,
        name=call.route.name,
        timeout=call.timeout,
    )


def late_request(server: str, method: str, timeout: float) -> DeadlineExceeded:
    """The same for a request of the gateway's own."""
    return DeadlineExceeded(f"server {server!r} did not answer {method} within {timeout:g} s", server=server)


def ended(server: str, reason: str) -> ServerUnavailable:
    """The reason alone, for whoever shows it beside the server's name or builds a sentence with it."""
    return ServerUnavailable(reason, server=server)


def gone(server: str, reason: str) -> ServerUnavailable:
    return ServerUnavailable(f"server {server!r} {reason}", server=server)


def stopped(server: str, actor: str, since: float) -> Stopped:
    """By a person, at `since` seconds since the epoch."""
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(since))
    return Stopped(
        f"server {server!r} was stopped by {actor} ({when})",
        hint=how_to_start(server),
        server=server,
        state="stopped",
        since=round(since, 3),
    )


def how_to_start(server: str) -> str:
    return f"`toolgate start {server}` starts it again"


def too_large(server: str, size: int, limit: int) -> ResponseTooLarge:
    """`size` is 0 where the answer was given up before its end."""
    said = f"an answer of {size} bytes" if size else "an answer"
    return ResponseTooLarge(
        f"server {server!r} sent {said}, more than the {limit} that are passed on",
        hint="ask for less, or raise the limit for response sizes",
        server=server,
        limit=limit,
    )


def broken(server: str, reason: str) -> BrokenReply:
    return BrokenReply(f"server {server!r} {reason}", server=server)
