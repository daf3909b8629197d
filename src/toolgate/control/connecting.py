"""Connections: installed, changed, removed, tested; each with its secrets, all or nothing."""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol
from uuid import uuid4

from sqlalchemy.exc import IntegrityError

from toolgate.control.bodies import Install, SaveCard, Update
from toolgate.control.plan import Plan, check_own, check_references, from_card, from_definition, own_choices, slot
from toolgate.errors import Conflict, Forbidden, InvalidParams, NotFound
from toolgate.model.card import Card
from toolgate.model.connection import Connection, is_connection_name
from toolgate.model.life import actor
from toolgate.model.names import server_name
from toolgate.model.owner import EVERYBODY, acts_for, owners_of, team_owner
from toolgate.model.principal import LOCAL, Principal
from toolgate.model.vaultref import reference_to
from toolgate.secrets.vault import Vault
from toolgate.sources.cards import InvalidCard, card_of
from toolgate.store.connections import ConnectionRows

__all__ = ["Cards", "Connecting", "Rights"]

_MOST: Final = 200  # connections of an owner

Rights = Callable[[], str]
"""`access.install` of toolgate.yaml, as it is now."""
_RIGHTS: Final[Sequence[str]] = ("nothing", "cards", "anything")
_OF_ANYBODY: Final = "cards"  # who shows neither a key nor the run's token may be another user of this machine


class Cards(Protocol):
    """What can be installed."""

    async def all(self, owners: Iterable[str] | None) -> Sequence[Card]:
        """By name: those that are shipped, and those of these owners; None for those of all."""
        ...

    async def get(self, name: str, owners: Iterable[str] | None) -> Card | None: ...

    async def save(self, owner: str, card: Card, who: str) -> None: ...

    async def remove(self, owner: str, name: str) -> bool: ...


class Connecting:
    """`changed` is awaited after each change: it makes servers of what is installed, at all workers. Methods take who
    asks, and raise `NotFound` for what is not theirs."""

    def __init__(
        self,
        rows: ConnectionRows,
        vault: Vault,
        cards: Cards,
        changed: Callable[[], Awaitable[None]],
        rights: Rights,
        home: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rows = rows
        self._vault = vault
        self._cards = cards
        self._changed = changed
        self._rights = rights
        self._home = home
        self._clock = clock

    async def all(self, principal: Principal, owner: str | None = None) -> list[Connection]:
        """Of this owner, or of all whom the caller acts for. Raises `Forbidden`."""
        if owner is not None:
            _check_owner(principal, owner)
            return await self._rows.all([owner])
        return await self._rows.all(None if principal.id == LOCAL.id else owners_of(principal))

    async def get(self, principal: Principal, id: str) -> Connection:  # noqa: A002
        found = await self._rows.get(id)
        if found is None or not acts_for(principal, found.owner):
            raise NotFound(f"there is no connection {id}", hint="GET /api/v1/connections lists them")
        return found

    async def find(self, principal: Principal, owner: str, card: str) -> Connection:
        """The one that an owner has from this card."""
        found = [one for one in await self.all(principal, owner) if one.card == card]
        if len(found) != 1:
            reason = f"there are {len(found)}" if found else "there is no"
            hint = "give its connection_id" if found else "install it first"
            raise NotFound(f"{reason} connection{'s' if found else ''} of {owner or 'all'} from {card}", hint=hint)
        return found[0]

    async def cards(self, principal: Principal) -> Sequence[Card]:
        return await self._cards.all(_seen(principal))

    async def card(self, principal: Principal, name: str) -> Card:
        card = await self._cards.get(name, _seen(principal))
        if card is None:
            raise NotFound(f"there is no card {name}", hint="GET /api/v1/cards lists them")
        return card

    async def save_card(self, principal: Principal, asked: SaveCard) -> Card:
        """A card for the caller or a team. Raises `InvalidParams` and `Forbidden`."""
        owner = _owner_for(principal, asked.team, asked.owner)
        self._check_right(principal, "a card of your own")
        try:
            card = card_of(asked.card)
        except InvalidCard as error:
            raise InvalidParams(f"the card cannot be used: {error}") from None
        if principal.id != LOCAL.id:
            check_references(card.server)
            check_own(card.server)
        await self._cards.save(owner, card, actor(principal))
        return card

    async def remove_card(self, principal: Principal, name: str, owner: str | None) -> None:
        """Raises `NotFound` and `Forbidden`."""
        owner = _owner_for(principal, None, owner)
        if not await self._cards.remove(owner, name):
            raise NotFound(f"{owner or 'the gateway'} has added no card {name}", hint="shipped ones stay")

    async def install(self, principal: Principal, asked: Install) -> Connection:
        """Raises `InvalidParams`, `Forbidden`, `Conflict` and `VaultLocked`; then nothing was stored."""
        owner = _owner_for(principal, asked.team, asked.owner)
        name = asked.name or (server_name(asked.card) if asked.card else "")
        if not is_connection_name(name):
            raise InvalidParams(
                f"{name!r} is no name for a connection" if name else "`name` is missing",
                hint="it has letters, digits, - and _ between them, at most 32",
            )
        now, who = self._clock(), actor(principal)
        made = Connection(uuid4().hex, owner, name, asked.card or "", asked.title or name, {}, now, who, now, who)
        plan = await self._plan(principal, made.card, asked.server, asked.values, {}, _below(made))
        await self._store(made, plan, is_new=True)
        await self._changed()
        return await self._rows.get(made.id) or made

    async def update(self, principal: Principal, id: str, asked: Update) -> Connection:  # noqa: A002
        """As `install`."""
        before = await self.get(principal, id)
        changed = replace(before, updated_at=self._clock(), updated_by=actor(principal))
        if asked.title is not None:
            changed = replace(changed, title=asked.title or before.name)
        plan = None
        if asked.values is not None or asked.server is not None:
            if bool(before.card) != (asked.server is None):
                raise InvalidParams("`values` go with a card, `server` with a definition of one's own")
            values = asked.values or {}
            plan = await self._plan(principal, before.card, asked.server, values, before.inputs, _below(before))
        await self._store(changed, plan, is_new=False)
        await self._changed()
        return await self.get(principal, id)

    async def remove(self, principal: Principal, id: str) -> Connection:  # noqa: A002
        """With its secrets."""
        gone = await self.get(principal, id)
        async with self._rows.database.writing() as transaction:
            await self._rows.remove(transaction, id)
            await self._vault.delete_below(transaction, gone.owner, _below(gone) + "/")
        await self._changed()
        return gone

    async def _plan(
        self,
        principal: Principal,
        card_name: str,
        server: Mapping[str, Any] | None,
        values: Mapping[str, Any],
        kept: Mapping[str, Any],
        below: str,
    ) -> Plan:
        if bool(card_name) == (server is not None):
            raise InvalidParams("give either a `card` or a `server`", hint="GET /api/v1/cards lists the cards")
        if principal.id != LOCAL.id:
            check_references([values, server])
        if server is not None:
            if values:
                raise InvalidParams("`values` go with a `card`")
            self._check_right(principal, "a `server` of your own")
            if principal.id != LOCAL.id:
                check_own(server)
            return from_definition(server, below)
        card = await self.card(principal, card_name)
        chosen = own_choices(card, values)
        self._check_right(principal, f"`{chosen[0]}` of {card.name}" if chosen else "")
        return from_card(card, values, kept, below, self._home)

    def _check_right(self, principal: Principal, own: str) -> None:
        """`own` is what of an installation the caller chose, beyond what the operator's cards say."""
        right = self._rights() if principal.proven else min(self._rights(), _OF_ANYBODY, key=_RIGHTS.index)
        if principal == LOCAL or right == "anything" or (right == "cards" and not own):
            return
        raise Forbidden(
            f"{own or 'installing'} is for this machine's own user to choose (`access.install: {right}`)",
            hint="ask them to install it for you (`owner`), or to change that setting"
            if principal.id != LOCAL.id
            else "use `toolgate connect`, or send the token of this run, which only that user can read",
        )

    async def _store(self, made: Connection, plan: Plan | None, *, is_new: bool) -> None:
        """The row and the secrets that it refers to, in one transaction."""
        if plan is not None and plan.secrets:
            await self._vault.unlocked()  # which may read the database itself
        try:
            async with self._rows.database.writing() as transaction:
                if is_new and await self._rows.count(transaction, made.owner) >= _MOST:
                    raise Forbidden(f"{made.owner or 'the gateway'} has {_MOST} connections", hint="remove some first")
                if is_new and await self._rows.named(transaction, made.owner, made.name) is not None:
                    raise _taken(made.name)
                if not is_new and await self._rows.held(transaction, made.id) is None:
                    raise NotFound(f"the connection {made.id} was removed meanwhile")
                if plan is not None:
                    versions = await self._vault.put_all(transaction, made.owner, plan.secrets)
                    inputs, definition = plan.make(lambda name: reference_to(name, versions[name]))
                    made = replace(made, inputs=inputs, definition=definition)
                await (self._rows.add if is_new else self._rows.change)(transaction, made)
        except IntegrityError:
            raise _taken(made.name) from None  # another process was first


def _below(connection: Connection) -> str:
    """What the names of its secrets begin with. Another connection of the same name, later, has others."""
    return slot("connections", f"{connection.name}.{connection.id[:8]}")


def _seen(principal: Principal) -> Iterable[str] | None:
    return None if principal.id == LOCAL.id else owners_of(principal)


def _taken(name: str) -> Conflict:
    return Conflict(f"there is a connection {name} already", hint="give another `name`, or change that one")


def _owner_for(principal: Principal, team: str | None, owner: str | None) -> str:
    if team is not None and owner is not None:
        raise InvalidParams("give either a `team` or an `owner`")
    owner = team_owner(team) if team is not None else owner
    if owner is None:
        return owners_of(principal)[0]
    kind, _, name = owner.partition(":")
    if owner != EVERYBODY and (kind not in {"user", "team"} or not name.strip() or not name.isprintable()):
        raise InvalidParams("`owner` should be user:NAME or team:NAME")
    _check_owner(principal, owner)
    return owner


def _check_owner(principal: Principal, owner: str) -> None:
    if not acts_for(principal, owner):
        raise Forbidden(
            f"{principal.name!r} does not act for {owner or 'the whole gateway'!r}",
            hint=f"it may for {', '.join(owners_of(principal))}",
        )
