"""Holds arguments against the JSON Schema of a tool.

What cannot be checked within bounds is let pass: a server has to check its inputs itself in any case (2026-07-28,
Tools, Security Considerations), and what it would take must not be refused here.
"""

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice
from typing import Any, Final

import jsonschema_rs
import msgspec
from jsonschema_rs import FancyRegexOptions, RegexOptions, ValidationError, ValidationErrorKind
from msgspec import Raw

from toolgate.policy.composition import Extent, TooComplex, extent

__all__ = ["ArgumentCheck", "TooComplex", "compile_check"]

_LARGEST: Final = 128 * 1024  # bytes of a schema: compiling it takes about 15 ms
_PATTERN: Final = 512 * 1024  # bytes of a compiled pattern
_WORK: Final = 5_000_000  # subschemas held against values: about 0.1 s
_ERRORS: Final = 5_000  # the same where each may become an error: about 0.05 s
_SHOWN: Final = 3
_LONGEST: Final = 300  # characters of what is wrong with one value

# Says nothing about what is valid; `$schema` names a dialect, and is looked at before.
_ANNOTATIONS: Final = frozenset(
    {"$comment", "$id", "$schema", "default", "deprecated", "description", "examples", "readOnly", "title", "writeOnly"}
)
# Members that say nothing where they have one of these values.
_EMPTY: Final[dict[str, tuple[Any, ...]]] = {
    "additionalProperties": (True, {}),
    "properties": ({},),
    "required": ([],),
    "type": ("object",),
}

_decode: Final = msgspec.json.Decoder().decode


class _Ignored:
    """What the library checks and a conforming server need not."""

    def __init__(self, parent_schema: Any, value: Any, schema_path: Any) -> None:
        pass

    def validate(self, instance: Any) -> None:
        pass


# Drafts before 2019-09 let a validator look into strings; drafts since then have no `dependencies`.
_IGNORED: Final[dict[str, Any]] = {"contentEncoding": _Ignored, "contentMediaType": _Ignored}
_IGNORED_SINCE_2019: Final[dict[str, Any]] = {**_IGNORED, "dependencies": _Ignored}
_OLD: Final = "json-schema.org/draft-0"
# Linear in what it is held against. What only a backtracking engine can match leaves its schema unused.
_REGEX: Final[RegexOptions | FancyRegexOptions] = RegexOptions(size_limit=_PATTERN, dfa_size_limit=_PATTERN)


def compile_check(schema: Raw) -> "ArgumentCheck | None":
    """None where every object fits. JSON Schema 2020-12, or what `$schema` names. Nothing is ever fetched. Raises
    `TooComplex` with the reason why the schema is not used."""
    if len(schema) > _LARGEST:
        raise TooComplex(f"it is larger than {_LARGEST} bytes")
    try:
        document = _read(schema)
        if not isinstance(document, dict):
            raise TooComplex("it is not an object")
        if _is_open(document):
            return None
        bounds = extent(document)
        validator = jsonschema_rs.validator_for(
            document,
            validate_formats=False,  # an annotation, unless a dialect says otherwise
            offline=True,
            mask="it",  # values stay out of messages
            pattern_options=_REGEX,
            keywords=_IGNORED if _OLD in str(document.get("$schema")) else _IGNORED_SINCE_2019,
        )
    except ValidationError as error:
        raise TooComplex(error.message[:_LONGEST]) from None
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise TooComplex(str(error)[:_LONGEST]) from None
    return ArgumentCheck(validator, bounds)


def _is_open(schema: dict[str, Any]) -> bool:
    return all(
        keyword in _ANNOTATIONS or any(value is empty or value == empty for empty in _EMPTY.get(keyword, ()))
        for keyword, value in schema.items()
    )


def _read(raw: Raw) -> Any:
    """Numbers keep their value, whatever their size."""
    try:
        return _decode(raw)
    except msgspec.ValidationError:  # a number that no 64 bits hold
        return _exact(raw)


def _exact(raw: Raw) -> Any:
    return json.loads(bytes(raw), parse_float=Decimal)


class ArgumentCheck:
    """One tool's schema, compiled."""

    __slots__ = ("_bounds", "_is_valid", "_validator")

    def __init__(self, validator: jsonschema_rs.Validator, bounds: Extent) -> None:
        self._validator = validator
        self._is_valid = validator.is_valid
        self._bounds = bounds

    def fits(self, arguments: Raw | None) -> bool:
        """Absent is the same as none: `{}`."""
        if arguments is None:
            return self._is_valid({})
        size = self._bounds.size
        if len(arguments) * size > _WORK and bytes(arguments).count(b",") * size > _WORK:
            return True
        try:
            try:
                value = _decode(arguments)
            except msgspec.ValidationError:
                value = _exact(arguments)
            return self._is_valid({} if value is None else value) or self._fits_without_nulls(value)
        except (msgspec.DecodeError, ValueError, RecursionError):  # nested too deep, or numbers of thousands of digits
            return True

    def _fits_without_nulls(self, value: Any) -> bool:
        """Many clients write null for an argument that they leave out, and servers take it for that, as headers that
        mirror arguments do (2026-07-28, Streamable HTTP, Custom Headers from Tool Parameters)."""
        if not isinstance(value, dict) or None not in value.values():
            return False
        return bool(self._is_valid({name: argument for name, argument in value.items() if argument is not None}))

    def complaints(self, arguments: Raw | None) -> list[str]:
        """What is wrong with arguments that do not fit: where, what, and what is expected."""
        value = _read(arguments) if arguments is not None else {}
        if value is None:
            value = {}
        size, returns = self._bounds
        nodes, depth = _measure(value, _ERRORS // size)
        # All errors are found before the first is told, so there must not be many.
        if nodes * size > _ERRORS or (returns > 1 and returns**depth > _ERRORS):
            return ["they do not fit the schema, which is too large to say where"]
        found = [_told(error) for error in islice(self._validator.iter_errors(value), _SHOWN + 1)]
        return found if len(found) <= _SHOWN else [*found[:_SHOWN], "and more"]


def _measure(value: Any, most: int) -> tuple[int, int]:
    """How many values there are in it, counted to a little over `most`, and how deep they are nested."""
    level, nodes, depth = [value], 1, 0
    while level and nodes <= most:
        level = [inner for outer in level for inner in _inside(outer)]
        nodes += len(level)
        depth += 1
    return nodes, depth


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _told(error: ValidationError) -> str:
    return f"{_place(error.instance_path)}{_cut('; '.join(_reasons(error)))}"


def _reasons(error: ValidationError) -> Iterator[str]:
    yield error.message
    if isinstance(error.kind, ValidationErrorKind.AnyOf | ValidationErrorKind.OneOfNotValid):
        shared = len(error.instance_path)
        for branch in error.kind.context[:_SHOWN]:
            yield from (f"{_place(inner.instance_path[shared:])}{inner.message}" for inner in branch[:1])


def _place(path: list[str | int]) -> str:
    if not path:
        return ""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return f"`{_cut(text.lstrip('.'))}`: "


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
