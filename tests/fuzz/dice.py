"""Mutations: of JSON by its structure, and of anything by its bytes."""

from random import Random
from typing import Any, Final

__all__ = ["Verbatim", "battered", "bent", "chopped", "written"]


class Verbatim(bytes):
    """Stands in a JSON value as it is, whether that is JSON or not."""


class _Twice(dict[str, Any]):
    """An object that names its first member again at its end."""


_DEEP: Final = 100_000
_FRAGMENTS: Final = tuple(
    Verbatim(fragment)
    for fragment in (
        *(b"null", b"true", b"false", b"0", b"-0", b"1", b"-1", b"1.0", b"1e3", b"1e999", b"9007199254740993"),
        *(b"9" * 400, b"-" + b"9" * 5_000, b"0." + b"3" * 400, b"01", b"+1", b".5", b"NaN", b"Infinity", b"0x10"),
        *(b'""', b'"x"', b'"\\u0000"', b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\ud83d\\ude00"', b'"\\u2028"'),
        *(b'"\xe2\x80\xa8"', b'"\xff"', b'"\xc0\xaf"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xe2\x80"'),
        *(b'"\x01"', b'"\n"', b'"\\x"', b'"\\u12"', b'"unended', b"'x'", b'"' + b"x" * 5_000 + b'"', b'"one__look"'),
        *(b"[]", b"{}", b"[[]]", b"[1,2]", b"[null]", b'{"a":null}', b'{"":""}', b"[", b"]", b"{", b"}", b"", b","),
        *(
            b'{"name":1}',
            b'{"_meta":{}}',
            b'{"\xff":1}',
            b'{"\\ud800":1}',
            b'{"a":1,"a":2}',
            b"/**/1",
            b"\xef\xbb\xbf1",
        ),
        *(b"[" * 600 + b"]" * 600, b'{"a":' * 600 + b"1" + b"}" * 600, b"[" * _DEEP, b"[" * _DEEP + b"]" * _DEEP),
        *(b'"=?base64?eA==?="', b'"tg1.AAAA"', b'"2025-06-18"', b'"2026-07-28"', b'"3000-01-01"', b'"../../x"'),
    )
)
_CHUNKS: Final = (
    *(b"\x00", b"\xff", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\n\n", b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":"),
    *(b"\xe2\x80\xa8", b"\xc2\x85", b"\xef\xbb\xbf", b"data:", b"data: ", b"event: x\n", b"id:", b"id: \x00\n"),
    *(b"retry: 99999999999\n", b"retry: 0\n", b": \n", b"event: endpoint\n", b"x" * 300),
)


def written(value: Any) -> bytes:
    """JSON, but for what is verbatim in it."""
    match value:
        case Verbatim():
            return bytes(value)
        case dict():
            members = [*value.items(), *([next(iter(value.items()))] if isinstance(value, _Twice) and value else ())]
            return b"{" + b",".join(written(key) + b":" + written(member) for key, member in members) + b"}"
        case list():
            return b"[" + b",".join(map(written, value)) + b"]"
        case str():
            return b'"' + value.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'
        case bool():
            return b"true" if value else b"false"
        case None:
            return b"null"
        case _:
            return str(value).encode()


def bent(value: Any, rng: Random) -> Any:
    """A copy in which one to three places say something else."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        value = _bent_once(value, rng)
    return value


def _bent_once(value: Any, rng: Random) -> Any:
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        match rng.randrange(9):
            case 0:
                return {name: member for name, member in value.items() if name != key}
            case 1:
                rest = {name: member for name, member in value.items() if name != key}
                return _Twice({key: value[key], **rest})
            case 2:
                return {**value, rng.choice(("id", "_meta", "method", "params", "x", "\u2028", "")): _fragment(rng)}
            case _:
                return type(value)({**value, key: _bent_once(value[key], rng)})
    if isinstance(value, list) and value and rng.random() < 0.7:
        at = rng.randrange(len(value))
        return [*value[:at], _bent_once(value[at], rng), *value[at + 1 :]]
    return _fragment(rng)


def _fragment(rng: Random) -> Verbatim:
    return rng.choice(_FRAGMENTS)


def battered(data: bytes, rng: Random) -> bytes:
    """The same with some bytes cut, doubled, swapped, flipped or put in."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        at, end = sorted((rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)))
        end = min(end, at + rng.choice((1, 2, 8, 64)))
        match rng.randrange(6):
            case 0:
                data = data[:at]
            case 1:
                data = data[:at] + data[end:]
            case 2:
                data = data[:end] + data[at:]
            case 3:
                data = data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
            case _:
                data = data[:at] + rng.choice(_CHUNKS) + data[at:]
    return data


def chopped(data: bytes, rng: Random, most: int = 8) -> list[bytes]:
    """The same bytes in pieces that are cut anywhere."""
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(most)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
