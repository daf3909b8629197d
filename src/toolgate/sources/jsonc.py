"""JSON as people write it by hand: comments, trailing commas, a byte order mark, Windows line ends.

Comments and trailing commas are blanked in place, so every line and column stays what it is in the file, and the
standard decoder does the rest. A file that is plain JSON takes no other way than that decoder.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

__all__ = ["Jsonc", "JsoncError", "Path", "parse"]

Path = tuple[str | int, ...]

# Every alternative matches at once wherever it begins, closed or not: no input makes this slower than its length.
_TOKEN: Final = re.compile(
    r'(?P<string>"[^"\\\n]*(?:\\.[^"\\\n]*)*"?)'
    r"|(?P<comment>//[^\r\n]*|/\*(?:[\s\S]*?\*/|[\s\S]*))"
    r"|(?P<mark>[\[\]{},:])"
    r"|(?P<other>[^\s\"\[\]{},:/]+|/)"
)
_LINE: Final = re.compile(r"[^\r\n]")


class JsoncError(Exception):
    """`line` counts from 1. `reason` quotes nothing of the file."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


@dataclass(frozen=True, slots=True)
class Jsonc:
    """`value` is what `json.loads` makes of the text without its comments; of two equal keys the later wins."""

    value: Any
    _text: str = field(repr=False)
    _repeated: tuple[tuple[dict[str, Any], str], ...] = field(default=(), repr=False)

    def repeated(self, members: dict[str, Any]) -> tuple[str, ...]:
        """The keys that are written more than once in this object, which is `value` or a part of it."""
        return tuple(key for owner, key in self._repeated if owner is members)

    def lines(self, wanted: Iterable[Path]) -> dict[Path, int]:
        """The line of each of these values (of its key, in an object), the last one where a key is repeated.

        Those that are not there are missing in the answer. Reads the text again: for when something is to be reported.
        """
        seen = dict.fromkeys(wanted, 0)
        for path, line in _walk(self._text):
            if path in seen:
                seen[path] = line
        return {path: line for path, line in seen.items() if line}


def parse(text: str) -> Jsonc:
    """Raises `JsoncError`."""
    text = text.removeprefix("\ufeff")
    try:
        return _decode(text)
    except JsoncError:
        # Comments are the likely reason, and blanking them is what costs.
        return _decode(_blanked(text))


def _decode(text: str) -> Jsonc:
    repeated: list[tuple[dict[str, Any], str]] = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            times = Counter(name for name, _ in pairs)
            repeated.extend((found, name) for name, count in times.items() if count > 1)
        return found

    try:
        value = json.loads(text, object_pairs_hook=members, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise JsoncError(f"not valid JSON: {error.msg[:1].lower()}{error.msg[1:]}", error.lineno) from None
    except RecursionError:
        raise JsoncError("it is nested too deeply", 0) from None
    except ValueError as error:  # a number of more digits than Python converts, or NaN
        raise JsoncError(f"not valid JSON: {error}", 0) from None
    return Jsonc(value, text, tuple(repeated))


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number in JSON")


def _blanked(text: str) -> str:
    """The text with spaces for every comment and every trailing comma."""
    pieces: list[str] = []
    end = 0
    comma = -1  # the place in `pieces` of a comma after a value, until something follows it
    before = ""
    for match in _TOKEN.finditer(text):
        pieces.append(text[end : match.start()])
        end = match.end()
        piece = match[0]
        if match.lastgroup == "comment":
            if piece.startswith("/*") and not (piece.endswith("*/") and len(piece) > 3):
                raise JsoncError("a comment is not closed", text.count("\n", 0, match.start()) + 1)
            pieces.append(_LINE.sub(" ", piece))
            continue
        if piece in {"]", "}"} and comma >= 0:
            pieces[comma] = " "
        comma = len(pieces) if piece == "," and before not in {"", ",", "[", "{", ":"} else -1
        before = piece
        pieces.append(piece)
    pieces.append(text[end:])
    return "".join(pieces)


def _walk(text: str) -> Iterator[tuple[Path, int]]:
    """The path and line of every value, in a text that is known to be valid once its comments are passed over."""
    path: list[str | int] = []
    line, counted = 1, 0
    key, key_line = "", 1
    for match in _TOKEN.finditer(text):
        line += text.count("\n", counted, match.start())
        counted = match.start()
        piece = match[0]
        in_object = bool(path) and isinstance(path[-1], str)
        if match.lastgroup == "comment":
            continue
        if piece == ":":
            path[-1] = json.loads(key) if "\\" in key else key[1:-1]
            yield tuple(path), key_line
        elif piece == ",":
            path[-1] = "" if isinstance(path[-1], str) else path[-1] + 1
        elif piece in {"]", "}"}:
            path.pop()
        else:
            if not in_object:
                yield tuple(path), line
            if match.lastgroup == "string":
                key, key_line = piece, line
            elif piece in {"[", "{"}:
                path.append(0 if piece == "[" else "")
