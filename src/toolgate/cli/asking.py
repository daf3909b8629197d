"""What a card asks for, asked for: from the command line first, then from the person, where one is there."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from toolgate.errors import ToolgateError
from toolgate.model.card import Card, Input, Kind
from toolgate.model.secretref import Template

__all__ = ["InputsMissingError", "answers"]

Answers = dict[str, str | list[str]]


class InputsMissingError(ToolgateError):
    """The card asks for what was not given, or what was given will not do."""

    code = "inputs-missing"


def answers(card: Card, given: Sequence[str], *, ask: bool) -> Answers:
    """`given` are `name=value`; a name that comes again adds to a list, and `name=@FILE` is read from a file. Secrets
    are given or asked for as they are, or as references. Raises `InputsMissingError`."""
    found = _given(card, given)
    _check(card, found)
    for entry in card.missing(_judged(card, found)):
        if not ask or not _is_person():
            raise _missing(card, found)
        found[entry.name] = _asked(entry)
    if ask and not given and _is_person():
        for entry in (
            entry for entry in card.inputs if not entry.required and entry.secret and entry.name not in found
        ):
            if answer := _asked(entry):
                found[entry.name] = answer
    return found


def _is_person() -> bool:
    return sys.stdin.isatty()


def _given(card: Card, pairs: Sequence[str]) -> Answers:
    found: Answers = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise click.UsageError(f"--set takes NAME=VALUE, and {name!r} has no =")
        entry = card.input(name)
        text = _content(name, value[1:]) if value.startswith("@") and (entry is None or entry.secret) else value
        before = found.get(name)
        if before is None:
            found[name] = text
        else:
            found[name] = [*([before] if isinstance(before, str) else before), text]
    return found


def _content(name: str, file: str) -> str:
    try:
        return Path(file).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputsMissingError(f"{name}: the file {file} cannot be read: {reason}") from None


def _judged(card: Card, found: Mapping[str, str | Sequence[str]]) -> dict[str, str | Sequence[str]]:
    """Secrets as the references that they become."""
    return {
        name: f"${{vault:{name}}}"
        if value and entry is not None and entry.secret and not _is_reference(value)
        else value
        for name, value in found.items()
        for entry in [card.input(name)]
    }


def _is_reference(value: str | Sequence[str]) -> bool:
    return isinstance(value, str) and [str(one) for one in Template(value).references] == [value]


def _check(card: Card, found: Answers) -> None:
    problems = [problem for problem in card.problems(_judged(card, found)) if problem.reason != "is missing"]
    if problems:
        raise InputsMissingError(
            "; ".join(f"{problem.input} {problem.reason}" for problem in problems),
            hint=f"`toolgate cards show {card.name}` says what it asks for",
        )


def _missing(card: Card, found: Answers) -> InputsMissingError:
    lacking = card.missing(_judged(card, found))
    options = " ".join(f"--set {entry.name}=…" for entry in lacking)
    where = "; ".join(f"{entry.name} is from {entry.where}" for entry in lacking if entry.where)
    needs = f"{card.title} needs {', '.join(entry.name for entry in lacking)}"
    return InputsMissingError(f"{needs} ({where})" if where else needs, hint=f"toolgate connect {card.name} {options}")


def _asked(entry: Input) -> str | list[str]:
    for line in (entry.help, f"from {entry.where}" if entry.where else ""):
        if line:
            click.echo(f"  {line}", err=True)
    if entry.several:
        texts: list[str] = []
        while text := _one(entry, f"{entry.label}{' (and another, or nothing)' if texts else ''}", bool(texts)):
            texts.append(text)
        return texts
    return _one(entry, entry.label, not entry.required)


def _one(entry: Input, label: str, may_be_empty: bool) -> str:
    kind = click.Choice(list(entry.choices)) if entry.kind is Kind.CHOICE else str
    while True:
        text = str(
            click.prompt(
                label, type=kind, hide_input=entry.secret, err=True, show_default=not may_be_empty,
                default="" if may_be_empty else entry.default,
            )
        ).strip()  # fmt: skip
        reason = None if not text else entry.flaw(f"${{vault:{entry.name}}}" if entry.secret else text)
        if reason is None and (text or may_be_empty):
            return text
        click.echo(f"  {entry.label} {reason or 'is needed'}", err=True)
