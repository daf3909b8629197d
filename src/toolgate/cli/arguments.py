"""`key=value` on the command line → the arguments of a tool, typed as its schema says.

`key=value` gives a value of the type that the schema names, `key:=json` gives JSON as it stands, and `key=@file` reads
the value from a file.
"""

import json
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from toolgate.errors import ToolgateError

__all__ = ["ArgumentRefusedError", "nearest", "parse"]

_PAIR: Final = re.compile(r"([^=]+?)(:?=)(.*)", re.DOTALL)
_BOOLEANS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class ArgumentRefusedError(ToolgateError):
    """An argument that the tool would not take."""

    code = "bad-argument"


def parse(pairs: Iterable[str], schema: Mapping[str, Any], given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """`given` are arguments from elsewhere, which the pairs lie over. Raises `ArgumentRefusedError`."""
    properties: Mapping[str, Any] = schema.get("properties") or {}
    arguments = dict(given or {})
    for pair in pairs:
        match = _PAIR.fullmatch(pair)
        if match is None:
            raise ArgumentRefusedError(f"{pair} is not key=value", hint="e.g. text=hello count=3 tags:='[1, 2]'")
        key, sign, text = match.groups()
        arguments[key] = _value(key, sign == ":=", text, properties.get(key) or {})
    _check_keys(arguments, properties, schema)
    return arguments


def _value(key: str, is_json: bool, text: str, schema: Mapping[str, Any]) -> Any:
    if text.startswith("@"):
        text = _content(key, Path(text[1:]).expanduser())
    if is_json:
        return _json(key, text)
    types = _types(schema)
    if not types or "string" in types:
        return text
    for kind in types:
        if (value := _typed(kind, text)) is not _NO:
            return value
    raise ArgumentRefusedError(
        f"{key} must be {' or '.join(types)}, not {_shortened(text)}", hint=f"{key}:=… takes any JSON"
    )


_NO: Final = object()


def _typed(kind: str, text: str) -> Any:
    """The text as a value of a JSON type, or `_NO`."""
    if kind == "boolean":
        return _BOOLEANS.get(text.lower(), _NO)
    try:
        value = json.loads(text)
    except ValueError:
        return _NO
    fits = {
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "number": isinstance(value, int | float) and not isinstance(value, bool),
        "array": isinstance(value, list),
        "object": isinstance(value, dict),
        "null": value is None,
    }
    return value if fits.get(kind, True) else _NO


def _types(schema: Mapping[str, Any]) -> list[str]:
    """The JSON types that a property may have; none where the schema does not say."""
    named = schema.get("type")
    if isinstance(named, str):
        return [named]
    if isinstance(named, list):
        return [str(kind) for kind in named]
    branches = schema.get("anyOf") or schema.get("oneOf") or []
    return [kind for branch in branches if isinstance(branch, dict) for kind in _types(branch)]


def _json(key: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ArgumentRefusedError(f"{key} is not JSON: {error}", hint=f"{key}=… takes plain text") from error


def _content(key: str, file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ArgumentRefusedError(
            f"{key}: the file {file} cannot be read: {reason}", hint=f"{key}:='\"@…\"' gives a text that begins with @"
        ) from error


def _check_keys(arguments: Mapping[str, Any], properties: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    # A schema that names properties and is silent about others means them all, whatever JSON Schema would allow.
    more = schema.get("additionalProperties", not properties) is not False or "patternProperties" in schema
    for key in arguments:
        if key not in properties and not more:
            raise ArgumentRefusedError(
                f"the tool has no argument {key}{nearest(key, properties)}", hint=_listed(properties, schema)
            )
    if missing := [key for key in schema.get("required") or [] if key not in arguments]:
        raise ArgumentRefusedError(f"missing: {', '.join(missing)}", hint=_listed(properties, schema))


def _listed(properties: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if not properties:
        return "it takes no arguments"
    required = schema.get("required") or []
    shown = [
        f"{key}=<{'|'.join(_types(value or {})) or 'any'}>" + ("" if key in required else " (optional)")
        for key, value in properties.items()
    ]
    return "it takes " + ", ".join(shown)


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean …?`, or nothing."""
    match = get_close_matches(name, list(known), 1, 0.5)
    return f"; did you mean {match[0]}?" if match else ""


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "…")
