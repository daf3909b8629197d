"""The ids of events on legacy streams (2025-11-25, Streamable HTTP, Resumability and Redelivery): `{stream}-{number}`.

The name of a stream begins with its session's tag, so that one of another session is known as such. That of a call's
stream ends with the request's id, so that a client that asks for a stream which is not kept any more, or never was in
this process, gets an answer to its request and does not wait for ever.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from secrets import token_urlsafe
from typing import Final

from toolgate.errors import ProtocolError
from toolgate.protocol.envelope import parse

__all__ = ["PRIMED", "event_id", "place", "request_of", "stream_name"]

PRIMED: Final = 0  # the number of the event that has no message and is sent first
_LONGEST: Final = 96  # bytes of a request's id in a stream's name; longer ones are left out


def stream_name(tag: str, key: bytes | None = None) -> str:
    """A new name in the session with this `tag`; `key` is the JSON-RPC id of the request that the stream answers."""
    name = f"{tag}.{token_urlsafe(6)}"
    if key is None or len(key) > _LONGEST:
        return name
    return f"{name}.{urlsafe_b64encode(key).decode().rstrip('=')}"


def event_id(name: str, number: int) -> str:
    return f"{name}-{number}"


def place(last_event_id: str) -> tuple[str, int]:
    """The stream and the number that an event id says; an empty name for what is none of ours."""
    name, _, number = last_event_id.rpartition("-")
    return (name, int(number)) if number.isascii() and number.isdigit() and len(number) < 10 else ("", 0)


def request_of(name: str, tag: str) -> bytes | None:
    """The JSON-RPC id of the request that a stream of this session answers, or answered."""
    of, _, rest = name.partition(".")
    _, _, encoded = rest.partition(".")
    if of != tag or not encoded:
        return None
    try:
        key = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        return parse(b'{"jsonrpc":"2.0","id":' + key + b"}").key
    except (ValueError, ProtocolError):
        return None
