"""From what somebody gives to what is installed: a definition, and the secrets that it refers to."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import ValidationError

from toolgate.config.model import ServerEntry
from toolgate.control.bodies import Values, mistakes
from toolgate.errors import Forbidden, InvalidParams
from toolgate.model.card import Card, InvalidInputs, Kind
from toolgate.model.fill import placeholders
from toolgate.model.secretref import Secret, Template
from toolgate.model.vaultref import VAULT, reference_to

__all__ = ["Plan", "check_own", "check_references", "from_card", "from_definition", "own_choices", "slot"]

_GIVEN: Final = ("env", "headers", "auth")
"""Fields of a definition whose values are kept as secrets, whatever they are: nobody can tell which are."""
_ADDRESSES: Final = ("url", "openapi", "graphql")
_CHOSEN: Final = (*_ADDRESSES, "command", "cwd", "schema_file", "sandbox", "network", "mounts")
"""Fields of a definition that say what is run, what is reached, and what is seen of this machine."""
_OWN: Final = frozenset({
    "args", "auth", "command", "env", "exclude", "graphql", "headers", "include", "openapi", "sandbox", "timeout",
    "tool_timeouts", "url",
})  # fmt: skip
_FOREIGN: Final = re.compile(r"[^A-Za-z0-9._-]+")

Refer = Callable[[str], str]
"""From the slot of a secret to what stands for it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`make` answers (inputs, definition) for given references; `secrets` are by slot. Nothing in it was stored yet."""

    secrets: Mapping[str, Secret]
    make: Callable[[Refer], tuple[Mapping[str, Any], Mapping[str, Any]]] = field(repr=False)

    def checked(self) -> "Plan":
        """It, where what it makes is a definition. Raises `InvalidParams`."""
        _, definition = self.make(lambda slot: reference_to(slot, 1))
        try:
            ServerEntry.model_validate(definition)
        except ValidationError as error:
            raise InvalidParams(f"the server cannot be installed: {mistakes(error)}") from None
        return self


def slot(below: str, *parts: str) -> str:
    """A name in the vault."""
    return "/".join([below, *(_FOREIGN.sub("_", part) for part in parts)])


def from_card(card: Card, values: Values, kept: Mapping[str, Any], below: str, home: str) -> Plan:
    """`kept` are the answers that it had until now, which stay where `values` says nothing; `below` is what the names
    of its secrets begin with. Raises `InvalidParams`, which names the inputs and quotes no answer."""
    secrets: dict[str, Secret] = {}
    inputs: dict[str, Any] = {name: value for name, value in kept.items() if card.input(name) is not None}
    marked: dict[str, Any] = {}
    for name, value in values.items():
        entry = card.input(name)
        if entry is not None and entry.secret:
            marked[name] = _answer(secrets, slot(below, name), value)
        else:
            inputs[name] = list(value) if isinstance(value, tuple) else value

    def make(refer: Refer) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        answers = inputs | {name: _referring(value, refer) for name, value in marked.items()}
        try:
            return answers, card.filled(answers, home=home)
        except InvalidInputs as error:
            raise InvalidParams(str(error), hint=f"GET /api/v1/cards/{card.name} says what it asks for") from None

    return Plan(secrets, make).checked()


def from_definition(server: Mapping[str, Any], below: str) -> Plan:
    """What stands in `env`, `headers` and `auth`, and an address with more than a path, are put away as secrets, unless
    they are references. Raises `InvalidParams`."""
    try:
        ServerEntry.model_validate(server)
    except ValidationError as error:
        raise InvalidParams(f"`server` cannot be used: {mistakes(error)}") from None
    if server.get("disabled"):
        raise InvalidParams("`server` says `disabled`", hint="remove the connection instead")
    secrets: dict[str, Secret] = {}
    marked: dict[str, Any] = dict(server)
    for name in _GIVEN:
        if name in server:
            members = {key: value for key, value in server[name].items() if value is not None}
            marked[name] = {key: _put_away(secrets, _slot_of(secrets, below, name, key), _text(value))
                            for key, value in members.items()}  # fmt: skip
    for name in _ADDRESSES:
        if isinstance(server.get(name), str) and _tells_more(server[name]):
            marked[name] = _put_away(secrets, slot(below, name), server[name])

    def make(refer: Refer) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        return {}, {key: _referring(value, refer) for key, value in marked.items()}

    return Plan(secrets, make).checked()


def check_own(server: Mapping[str, Any]) -> None:
    """What others than this machine's own user may say of a server of theirs. Raises `Forbidden`."""
    described = str(server.get("openapi", "https://"))
    foreign = sorted(server.keys() - _OWN) or ([] if "://" in described else ["openapi"])
    sandbox = server.get("sandbox") or {}
    foreign += [f"sandbox.{name}" for name in sandbox if name != "network"] if isinstance(sandbox, Mapping) else []
    if foreign:
        raise Forbidden(
            f"`{foreign[0]}` of a server is for this machine's own user to say", hint="leave it out, or ask them"
        )


def own_choices(card: Card, values: Values) -> list[str]:
    """The answers by which whoever installs chooses what is run, what is reached, or what is seen of this machine."""
    fields = {key: value for key, value in card.server.items() if key in _CHOSEN}
    choosing = {name for name, _ in placeholders(fields)}
    kinds = {entry.name for entry in card.inputs if entry.kind in {Kind.PATH, Kind.URL}}
    return sorted(name for name, value in values.items() if value and name in choosing | kinds)


def check_references(value: Any) -> None:
    """Raises `Forbidden` where something else than the vault is named: what the gateway's own environment holds is not
    for those who call it."""
    for text in _texts(value):
        for reference in Template(text).references:
            if reference.store != VAULT:
                raise Forbidden(
                    f"{reference} would be looked up among the secrets of the gateway",
                    hint="give the value itself, which is encrypted at once, or ${vault:NAME} of your own",
                )


class _Slot(str):
    """Stands for a secret until there is a reference to it."""

    __slots__ = ()


def _answer(secrets: dict[str, Secret], name: str, value: str | Sequence[str]) -> Any:
    """A secret as it is, whatever it looks like, unless the whole of it is a reference."""
    if not isinstance(value, str):
        return [_answer(secrets, f"{name}.{number}", one) for number, one in enumerate(value, 1)]
    if not value or [str(reference) for reference in Template(value).references] == [value]:
        return value
    secrets[name] = Secret(value)
    return _Slot(name)


def _put_away(secrets: dict[str, Secret], name: str, value: str) -> Any:
    """A text of a definition, where references may stand within others."""
    if not value or Template(value).references:
        return value
    secrets[name] = Secret(value)
    return _Slot(name)


def _slot_of(secrets: Mapping[str, Secret], below: str, *parts: str) -> str:
    """One that is free: two names may differ only in what no name in the vault has."""
    name = slot(below, *parts)
    return name if name not in secrets else f"{name}.{len(secrets)}"


def _referring(value: Any, refer: Refer) -> Any:
    if isinstance(value, _Slot):
        return refer(str(value))
    if isinstance(value, Mapping):
        return {key: _referring(member, refer) for key, member in value.items()}
    return [_referring(item, refer) for item in value] if isinstance(value, list | tuple) else value


def _tells_more(address: str) -> bool:
    """People put keys into user names and queries."""
    if Template(address).references or "://" not in address:
        return False
    parts = urlsplit(address)
    return bool(parts.query or parts.fragment or "@" in parts.netloc)


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, member in value.items():
            yield from _texts(key)
            yield from _texts(member)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
