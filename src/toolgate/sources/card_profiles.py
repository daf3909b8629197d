"""The profile of a server that somebody wrote down elsewhere, where a card is known that starts the same package."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from toolgate.config.sandbox import Sandbox
from toolgate.model.card import Card, Package
from toolgate.model.fill import Filler, placeholder
from toolgate.model.profile import Profile
from toolgate.model.server import Stdio
from toolgate.sources.cards import shipped_for
from toolgate.sources.packages import Started, started

__all__ = ["profile_for", "widened"]

_SANDBOX: Final = "sandbox"


def widened(profile: Profile, child: Stdio) -> Profile:
    """A profile that nobody chose for this server, with what its card adds; as it is where no card knows it."""
    env = {name: value.text for name, value in child.env.items()}
    known = profile_for(child.command.text, [argument.text for argument in child.args], env)
    if not known:
        return profile
    own = Sandbox.model_validate(known).profile(None, str)
    return replace(
        profile,
        network=tuple(dict.fromkeys((*profile.network, *own.network))),
        mounts=tuple(dict.fromkeys((*profile.mounts, *own.mounts))),
        persistent=profile.persistent or own.persistent,
        memory=max(profile.memory, own.memory) if "memory" in known else profile.memory,
        processes=max(profile.processes, own.processes) if "processes" in known else profile.processes,
        cpus=max(profile.cpus, own.cpus) if "cpus" in known else profile.cpus,
        tmp=max(profile.tmp, own.tmp) if "tmp" in known else profile.tmp,
    )


def profile_for(command: str, args: Sequence[str], env: Mapping[str, str] | None = None) -> Mapping[str, Any] | None:
    """What a card says that this may use and reach, in the terms of `sandbox`; None where no card knows it.

    Answers to the card's inputs are read from the places of the command line and the environment where the card would
    put them. What rests on one that is not there is left out.
    """
    found = started(command, args)
    known = _known(found) if found else []
    if found is None or not known:
        return None
    merged: dict[str, Any] = {}
    for card, package in known:
        for key, value in _profile(card, package, found, env or {}).items():
            before = merged.get(key, [])
            merged[key] = (
                [*before, *(item for item in value if item not in before)] if isinstance(value, list) else value
            )
    return merged


def _profile(card: Card, package: Package, found: Started, env: Mapping[str, str]) -> Mapping[str, Any]:
    if package.sandbox is not None:
        return package.sandbox
    answers = dict(_answers(card, found, env))
    given = {entry.name: answers.get(entry.name) or _default(entry.default) for entry in card.inputs}
    return Filler(given).fill(card.server.get(_SANDBOX) or {})


def _known(found: Started) -> list[tuple[Card, Package]]:
    """Several cards may start one package."""
    return [
        (card, package)
        for card in shipped_for(found.name)
        for package in card.packages
        if (package.registry, package.name) == (found.registry, found.name)
    ]


def _answers(card: Card, found: Started, env: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for variable, template in (card.server.get("env") or {}).items():
        if (name := placeholder(template)) and (texts := _fitting(card, name, [env.get(variable, "")])):
            yield name, texts
    own = started(str(card.server.get("command", "")), [str(word) for word in _flat(card.server.get("args") or ())])
    if own is None or own.name != found.name:
        return
    for at, template in enumerate(own.args):
        name = placeholder(template)
        before = own.args[at - 1] if at else ""
        if name and before.startswith("-"):
            values = [after for word, after in zip(found.args, found.args[1:], strict=False) if word == before]
        else:
            values = [word for word in found.args[at:] if not word.startswith("-")] if name else []
        if name and (texts := _fitting(card, name, values)):
            yield name, texts


def _fitting(card: Card, name: str, values: Sequence[str]) -> tuple[str, ...]:
    entry = card.input(name)
    if entry is None or entry.secret:
        return ()
    fitting = tuple(value for value in values if value and not entry.flaw(value))
    return fitting if entry.several else fitting[:1]


def _default(text: str | None) -> tuple[str, ...]:
    return (text,) if text else ()


def _flat(args: Sequence[Any]) -> Iterator[Any]:
    for word in args:
        if isinstance(word, list | tuple):
            yield from word
        else:
            yield word
