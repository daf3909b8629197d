"""Placeholders of a card, replaced by answers."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast
from urllib.parse import quote, urlsplit

__all__ = ["Absent", "Answers", "Filler", "Places", "placeholder", "placeholders"]

Answers = Mapping[str, Sequence[str]]

_PLACEHOLDER: Final = re.compile(r"\{\{([A-Za-z][A-Za-z0-9_-]*)(?:\.(host|address))?\}\}")
_LED_ON: Final = re.compile(rf"{_PLACEHOLDER.pattern}(?={{)")
_ADDRESSES: Final = frozenset({"url", "openapi", "graphql"})
_HIDDEN: Final = _ADDRESSES | {"env", "headers", "auth"}
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:\d{1,5})?")


class _Absence:
    """What is left of something whose input has no answer."""


Absent: Final = _Absence()


def placeholders(value: Any) -> Iterator[tuple[str, str]]:
    """All `{{name}}` and `{{name.part}}` in a value, as (name, part)."""
    yield from ((match[1], match[2] or "") for text in _texts(value) for match in _PLACEHOLDER.finditer(text))


def placeholder(text: str) -> str:
    """The input that a text is all of; empty where it is more, or something else."""
    match = _PLACEHOLDER.fullmatch(text)
    return match[1] if match and not match[2] else ""


class Places:
    """Where in a card's `server` its inputs stand."""

    def __init__(self, server: Mapping[str, Any]) -> None:
        self._server = server

    @property
    def visible(self) -> set[str]:
        """Those that would be seen in a command line, a path or a profile, and so cannot be secrets."""
        shown: list[Any] = [value for key, value in self._server.items() if key not in _HIDDEN]
        shown += [key for field in ("env", "headers", "auth") for key in self._server.get(field) or ()]
        return {name for name, _ in placeholders(shown)}

    @property
    def inside_addresses(self) -> set[str]:
        """Those that are a part of an address."""
        return {
            match[1]
            for field in _ADDRESSES
            if isinstance(address := self._server.get(field), str)
            for match in _PLACEHOLDER.finditer(address)
            if match[0] != address
        }

    @property
    def led_on(self) -> set[str]:
        """Those that a brace follows, or another input: an answer that ends with `$` would begin a reference there."""
        return {match[1] for text in _texts(self._server) for match in _LED_ON.finditer(text)}

    @property
    def repeatable(self) -> set[str]:
        """Those that stand in items of lists, alone there, and nowhere else."""
        items = [{name for name, _ in placeholders(item)} for item in _items_of(self._server)]
        return (
            set().union(*items)
            - {name for name, _ in _outside_lists(self._server)}
            - {name for names in items if len(names) > 1 for name in names}
        )

    @property
    def malformed(self) -> bool:
        """Whether there are braces that are no placeholder, or a `$` before one, which would make a reference of it."""
        return any("{{" in _PLACEHOLDER.sub("", text) or "${{" in text for text in _texts(self._server))


class Filler:
    """Puts answers in. An input without one takes with it the argument, variable, header, query parameter or mount
    that it stands in; several answers repeat the argument or mount. A list within `args` is one argument here: all
    of it stays, goes or is repeated together."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    def fill(self, server: Mapping[str, Any]) -> dict[str, Any]:
        filled = {
            key: self._address(value) if key in _ADDRESSES else self._value(value) for key, value in server.items()
        }
        return {key: value for key, value in filled.items() if value is not Absent}

    def _value(self, value: Any, chosen: Mapping[str, str] | None = None) -> Any:
        if isinstance(value, str):
            return self._text(value, chosen or {})
        if isinstance(value, Mapping):
            return self._members(value, chosen or {})
        if isinstance(value, Sequence):
            return [filled for item in value for filled in self._items(item)]
        return value

    def _members(self, value: Mapping[str, Any], chosen: Mapping[str, str]) -> Any:
        pairs = [(self._text(str(key), chosen), self._value(member, chosen)) for key, member in value.items()]
        return {key: member for key, member in pairs if key is not Absent and member is not Absent}

    def _items(self, item: Any) -> Iterator[Any]:
        """What one item of a list becomes: nothing, one, one for each of several answers, or the items of a group."""
        names = dict.fromkeys(name for name, _ in placeholders(item))
        if any(not self._answers[name] for name in names):
            return
        several = next((name for name in names if len(self._answers[name]) > 1), None)
        for answer in self._answers[several] if several else ("",):
            chosen = {several: answer} if several else {}
            if isinstance(item, Sequence) and not isinstance(item, str):
                yield from (self._value(part, chosen) for part in item)
            else:
                yield self._value(item, chosen)

    def _text(self, text: str, chosen: Mapping[str, str], *, quoted: bool = False) -> Any:
        if any(not self._answers[name] for name, _ in placeholders(text)):
            return Absent

        def put(match: re.Match[str]) -> str:
            name, part = match[1], match[2]
            answer = chosen.get(name) or self._answers[name][0]
            answer = _part(answer, part) if part else answer
            return _escaped(answer) if quoted else answer

        return _PLACEHOLDER.sub(put, text)

    def _address(self, value: Any) -> Any:
        """What stands inside of an address is escaped, so that it cannot become another host, path or parameter."""
        if not isinstance(value, str):
            return self._value(value)
        base, mark, query = value.partition("?")
        whole = _PLACEHOLDER.match(base)
        start = self._text(whole[0], {}) if whole else ""
        if start is Absent:
            return Absent
        rest = base[whole.end() :] if whole else base
        address = (cast("str", start).rstrip("/") if rest else start) + self._rest(rest)
        parameters = [self._text(part, {}, quoted=True) for part in query.split("&")] if mark else []
        kept = [part for part in parameters if part is not Absent]
        return address + ("?" + "&".join(kept) if kept else "")

    def _rest(self, text: str) -> str:
        filled = self._text(text, {}, quoted=True)
        return "" if filled is Absent else cast("str", filled)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for pair in value.items() for part in pair for text in _texts(part))
    elif isinstance(value, Sequence):
        yield from (text for item in value for text in _texts(item))


def _items_of(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield from (item for member in value.values() for item in _items_of(member))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        yield from value


def _outside_lists(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield from placeholders(value)
    elif isinstance(value, Mapping):
        yield from (found for key, member in value.items() for part in (key, member) for found in _outside_lists(part))


def _part(answer: str, part: str) -> str:
    """`host` of an address, or `address`: host and port where it is not the usual one."""
    if "://" not in answer:
        return answer
    parts = urlsplit(answer)
    host = parts.hostname or ""
    return f"{host}:{parts.port}" if part == "address" and parts.port else host


def _escaped(answer: str) -> str:
    """References stay as they are; names of hosts have nothing to escape."""
    if answer.startswith("${") or _HOST.fullmatch(answer):
        return answer
    return quote(answer, safe="")
