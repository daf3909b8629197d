"""A server went from one state to another."""

import msgspec

__all__ = ["Transition"]


class Transition(msgspec.Struct, frozen=True):
    """`at` is in seconds since the epoch. `before` is empty where the gateway began to watch. States are those of
    `model.life.State`, `cause` is one of `model.life.Cause`; `reason` is for people, and without secrets. `actor` is
    who asked, or what brought it about: `key ci`, `local user`, `idle`, `crash`, `configuration`."""

    server: str
    at: float
    before: str
    after: str
    cause: str = ""
    reason: str = ""
    actor: str = ""
