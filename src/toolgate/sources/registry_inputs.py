"""What a `server.json` asks for → inputs of a card, and texts with placeholders for them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from toolgate.model.card import Input

__all__ = ["HOST", "Inputs", "NoWay"]

Json = Mapping[str, Any]

_VARIABLE: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.-]*)\}")
_FOREIGN: Final = re.compile(r"[^A-Za-z0-9_-]+")
_MOST: Final = 64
_ASKING: Final = ("value", "valueHint", "default", "isRequired", "isSecret", "choices", "format")
"""A flag with none of these is a switch."""

HOST: Final = r"(private:)?([*]|([*][.])?[A-Za-z0-9.-]+)(:[0-9]+)?"
"""What may stand under `network`."""


class NoWay(Exception):
    """It cannot be installed from here. `reason` and `hint` are for a person."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class Inputs:
    """Grows with each text that needs one. Two that are called alike are two inputs."""

    def __init__(self) -> None:
        self._inputs: dict[str, dict[str, Any]] = {}

    @property
    def all(self) -> list[dict[str, Any]]:
        """Those that need an answer first."""
        return sorted(self._inputs.values(), key=lambda entry: not entry.get("required", True))

    def pairs(self, values: Sequence[Json]) -> Iterator[tuple[str, str]]:
        """Environment variables, or headers: (name, text)."""
        for value in values:
            name = str(value.get("name", ""))
            if name and (text := self._value(name, value)) is not None:
                yield name, text

    def arguments(self, values: Sequence[Json]) -> Iterator[Any]:
        """The words of a command line; a flag and its value together are a list, which goes or stays as one."""
        for value in values:
            flag = str(value.get("name", "")) if value.get("type") == "named" else ""
            is_bare = flag and not any(value.get(key) for key in _ASKING)
            text = None if is_bare else self._value(_called(value), value, is_argument=True)
            if text is None:
                yield from (flag,) if flag and value.get("isRequired", True) else ()
            else:
                yield [flag, text] if flag else text

    def text(self, template: str, variables: Json) -> str:
        """`{curly_braces}` that are variables become inputs, all others stay."""
        _check(template)
        return _VARIABLE.sub(lambda match: self._variable(match, variables), template)

    def sandbox(self) -> dict[str, Any]:
        """What nobody publishes: which hosts it needs. The person says it; and the paths that they name are seen."""
        paths = [name for name, entry in self._inputs.items() if entry["kind"] == "path"]
        hosts = self._free("hosts")
        self._inputs[hosts] = {
            "name": hosts, "title": "Hosts", "required": False, "several": True,
            "pattern": HOST, "help": "What it may reach, such as `api.example.com`; nothing where left out.",
        }  # fmt: skip
        mounts = [{"path": f"{{{{{name}}}}}", "writable": True} for name in paths]
        return {"network": [f"{{{{{hosts}}}}}"]} | ({"mounts": mounts} if mounts else {})

    def _variable(self, match: re.Match[str], variables: Json) -> str:
        known = variables.get(match[1])
        if not isinstance(known, dict):
            return match[0]
        if isinstance(fixed := known.get("value"), str):
            _check(fixed)
            return fixed
        return self._asked(match[1], {"isRequired": True, **known})

    def _value(self, name: str, value: Json, *, is_argument: bool = False) -> str | None:
        if isinstance(fixed := value.get("value"), str):
            variables = value.get("variables")
            return self.text(fixed, variables if isinstance(variables, dict) else {})
        if is_argument and value.get("isSecret"):
            raise NoWay(
                f"it wants a secret ({name}) in its command line, which all who use this machine can read",
                "look whether it takes it from its environment, and add it with `toolgate servers add`",
            )
        return self._asked(name, value, is_argument=is_argument)

    def _asked(self, name: str, value: Json, *, is_argument: bool = False) -> str:
        called = self._free(name)
        asked = {
            "name": called,
            "title": name[:100],
            "kind": _kind(value),
            "required": bool(value.get("isRequired", False)),
            "help": str(value.get("description") or "")[:1000],
            **self._more(value),
        } | ({"several": True} if is_argument and value.get("isRepeated") is True else {})  # fmt: skip
        self._inputs[called] = asked if _is_whole(asked) else {key: asked[key] for key in asked if key != "default"}
        if len(self._inputs) > _MOST:
            raise NoWay(f"it asks for more than {_MOST} things", "it cannot be meant for people")
        return f"{{{{{called}}}}}"

    @staticmethod
    def _more(value: Json) -> dict[str, Any]:
        if value.get("isSecret"):
            return {}
        more: dict[str, Any] = {}
        default = value.get("default")
        if isinstance(default, str | int | float) and str(default) and "${" not in str(default):
            more["default"] = str(default).lower() if isinstance(default, bool) else str(default)
        choices = value.get("choices")
        if isinstance(choices, list) and choices:
            more["choices"] = [str(choice) for choice in choices]
            if more.get("default") not in (None, *more["choices"]):
                del more["default"]
        if value.get("format") == "number":
            more["pattern"] = r"-?[0-9]+(\.[0-9]+)?"
            more["option"] = True
        return more

    def _free(self, name: str) -> str:
        base = _FOREIGN.sub("_", name).strip("_-")[:50]
        base = base if base[:1].isalpha() else f"input_{base}".rstrip("_")
        return next(
            called for n in range(1, _MOST + 2) if (called := base if n == 1 else f"{base}_{n}") not in self._inputs
        )


def _is_whole(asked: Json) -> bool:
    """Defaults of others are not always answers: `/Users/username/Desktop`, or a relative path."""
    try:
        Input.model_validate(asked)
    except ValidationError:
        return False
    return True


def _called(value: Json) -> str:
    return str(value.get("valueHint") or value.get("name") or "argument").lstrip("-") or "argument"


def _kind(value: Json) -> str:
    if value.get("isSecret"):
        return "secret"
    if isinstance(value.get("choices"), list) and value["choices"]:
        return "choice"
    return "path" if value.get("format") == "filepath" else "text"


def _check(text: str) -> None:
    """What is fixed comes from somebody else: it must not name our inputs, nor secrets of whoever installs it."""
    if "{{" in text or "${" in text:
        raise NoWay("it has a text that would be taken for a secret's name", "tell whoever published it")
