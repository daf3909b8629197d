"""Records of calls, packed into one value of the database.

A row a record cost ten times as much as all else that is done to record a call. Nothing is compressed: zlib at its
fastest makes a quarter of it, but takes more CPU (half a microsecond a record) than that saves in writing.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol

import msgspec

from toolgate.errors import StoreError

__all__ = ["AUDIT_FIELDS", "Record", "Recorded", "marked", "pack", "unpack"]

_VERSION: Final = b"\x01"
"""The first byte. The rest is an array of arrays in MessagePack; a form that is read otherwise gets another number."""


class Recorded(Protocol):
    """What can be packed: an array-like msgspec struct that has the fields of `Record` first."""

    @property
    def at(self) -> float: ...
    @property
    def principal(self) -> str: ...
    @property
    def principal_name(self) -> str: ...
    @property
    def server(self) -> str: ...
    @property
    def outcome(self) -> str: ...


class Record(msgspec.Struct, array_like=True, gc=False):
    """What is read back. Fields are known by their position: new ones come last, with the default that older records
    have, and those of later versions are passed over."""

    at: float
    seconds: float
    request: str
    principal: str
    principal_name: str
    team: str
    method: str
    server: str
    name: str
    era: str
    outcome: str
    sent: int = 0
    received: int = 0
    trace: str = ""
    cached: bool = False


AUDIT_FIELDS: Final = Record.__struct_fields__

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(list[Record])


def pack(records: Sequence[Recorded]) -> dict[str, Any]:
    """The columns of `tables.audit` for these, of which there is at least one."""
    times = [record.at for record in records]
    callers = {(record.principal, record.principal_name) for record in records}
    return {
        "first_at": min(times),
        "last_at": max(times),
        "calls": len(records),
        "servers": _listed({record.server for record in records}),
        "principals": _listed({name for caller in callers for name in caller}),
        "outcomes": _listed({record.outcome for record in records}),
        "records": _VERSION + _encoder.encode(records),
    }


def unpack(packed: bytes) -> list[Record]:
    """In the order that they were packed in. Raises `StoreError`."""
    if packed[:1] != _VERSION:
        raise StoreError(
            "the audit log has records that this version cannot read",
            hint="use the version of Toolgate that wrote them, or a later one",
        )
    try:
        return _decoder.decode(memoryview(packed)[1:])
    except msgspec.DecodeError as error:
        raise StoreError(
            f"the audit log is damaged: {error}", hint="restore the database from a backup, or begin a new one"
        ) from error


def marked(name: str) -> str:
    """What the list of names of a batch contains, if `name` is among them."""
    return f"\n{name}\n"


def _listed(names: Iterable[str]) -> str:
    return "".join(("\n", *(f"{name}\n" for name in sorted(names))))
