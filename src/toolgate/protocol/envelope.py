"""JSON-RPC envelopes: find id, method and params; leave the rest as the bytes they came as.

A value that nobody has to look into is never decoded, so numbers beyond 2^53, unknown members and the order of keys
pass through as they are.
"""

import re
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from toolgate.errors import InvalidParams, InvalidRequest, ParseError, ToolgateError

__all__ = [
    "NOTHING",
    "Fields",
    "Message",
    "dump",
    "error_object",
    "failure",
    "fields",
    "notification",
    "opening",
    "parse",
    "request",
    "response",
    "result_of",
]

Fields = dict[str, Raw]
"""A JSON object decoded one level deep: its members' names, and their raw bytes."""

NOTHING: Final[Fields] = {}


class Message(msgspec.Struct, frozen=True):
    """One JSON-RPC message. Members that are absent are UNSET; all others are raw bytes but the method."""

    jsonrpc: str | UnsetType = UNSET
    id: Raw | UnsetType = UNSET
    method: str | UnsetType = UNSET
    params: Raw | UnsetType = UNSET
    result: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET

    @property
    def key(self) -> bytes | None:
        """The id as it stood on the wire; None for a notification."""
        return None if self.id is UNSET else bytes(self.id)


_decoder: Final = msgspec.json.Decoder(Message)
_ESCAPE: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)
_fields: Final = msgspec.json.Decoder(dict[str, Raw])
_encoder: Final = msgspec.json.Encoder()


def parse(body: bytes | bytearray | memoryview) -> Message:
    """One message. Raises `ParseError` for what is not JSON and `InvalidRequest` for what is not one JSON-RPC 2.0
    message (2026-07-28, Overview, Messages: an id is a string or an integer)."""
    try:
        str(body, "utf-8")  # what is left as bytes is not looked at by the decoder, and must be passed on as text
        message = _decoder.decode(body)
    except (msgspec.ValidationError, RecursionError) as error:
        raise InvalidRequest(f"the body is not one JSON-RPC message: {error}") from None
    except UnicodeDecodeError as error:
        raise ParseError(f"the body is not JSON: {error}") from None
    except msgspec.DecodeError:
        message = _mended(body)
    if message.jsonrpc != "2.0":
        raise InvalidRequest('"jsonrpc" must be "2.0"')
    if message.id is not UNSET and not (raw := bytes(message.id)).isdigit() and not _is_id(raw):
        raise InvalidRequest("an id is a string or an integer")
    return message


def _mended(body: bytes | bytearray | memoryview) -> Message:
    """JavaScript writes half of a surrogate pair as an escape where it has cut a character in two, which is JSON but no
    text. The decoder refuses it even where nobody looks; it becomes what it is shown as everywhere, U+FFFD."""
    try:
        return _decoder.decode(_ESCAPE.sub(_whole, bytes(body)))
    except (msgspec.ValidationError, RecursionError) as error:
        raise InvalidRequest(f"the body is not one JSON-RPC message: {error}") from None
    except msgspec.DecodeError as error:
        raise ParseError(f"the body is not JSON: {error}") from None


def _whole(escape: re.Match[bytes]) -> bytes:
    return escape[0] if escape["half"] is None else b"\\ufffd"


def _is_id(raw: bytes) -> bool:
    return raw.isdigit() or raw[:1] == b'"' or (raw[:1] == b"-" and raw[1:].isdigit())


def result_of(body: bytes, key: bytes) -> bytes | None:
    """The result in the response with this id; None for anything else."""
    try:
        message = parse(body)
    except ToolgateError:
        return None
    if message.method is UNSET and message.result is not UNSET and message.key == key:
        return bytes(message.result)
    return None


def fields(raw: Raw | bytes | UnsetType, what: str = "params") -> Fields:
    """An object, one level deep; nothing at all is an empty one. Raises `InvalidParams` where it is something else."""
    if raw is UNSET:
        return {}
    try:
        return _fields.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidParams(f"{what} must be an object") from None


def dump(value: Any) -> bytes:
    """JSON without white space; `Raw` members go out as they came in."""
    return _encoder.encode(value)


@lru_cache(maxsize=256)
def _quoted(text: str) -> bytes:
    return dump(text)


def request(key: bytes, method: str, params: bytes | None = None) -> bytes:
    head = b'{"jsonrpc":"2.0","id":%b,"method":%b' % (key, _quoted(method))
    return head + (b',"params":' + params + b"}" if params is not None else b"}")


def notification(method: str, params: bytes | None = None) -> bytes:
    head = b'{"jsonrpc":"2.0","method":%b' % _quoted(method)
    return head + (b',"params":' + params + b"}" if params is not None else b"}")


def response(key: bytes, result: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (key, result)


def opening(key: bytes) -> bytes:
    """What stands before the result of a response; behind it stands one closing brace."""
    return b'{"jsonrpc":"2.0","id":%b,"result":' % key


def failure(key: bytes | None, error: bytes) -> bytes:
    """An error response; without an id where the request's could not be read."""
    head = b'{"jsonrpc":"2.0","id":' + (key if key is not None else b"null")
    return head + b',"error":' + error + b"}"


def error_object(error: ToolgateError) -> bytes:
    """The `error` member for one of our own errors."""
    body: dict[str, Any] = {"code": error.rpc, "message": error.message}
    if data := error.data():
        body["data"] = data
    return dump(body)
