"""A server went from one state to another."""

import msgspec

__all__ = ["Transition"]


class Transition(msgspec.Struct, frozen=True):
    """`at` is in seconds since the epoch. `before` is empty where the gateway began to watch. States are those of
    `upstream.base.State`. `cause` is one word: `began`, `recovered`, `lost`, `failed` or `stopped`; `reason` is for
    people, and without secrets."""

    server: str
    at: float
    before: str
    after: str
    cause: str = ""
    reason: str = ""
