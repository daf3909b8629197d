"""What a store of secrets answers."""

from typing import Protocol

from toolgate.model.secretref import Reference, Secret

__all__ = ["SecretStore"]


class SecretStore(Protocol):
    @property
    def name(self) -> str:
        """What stands before the colon in `${store:path#key}`."""
        ...

    async def get(self, reference: Reference) -> Secret | None:
        """The value, or None where this store has none. Raises `SecretMissing` where it cannot be asked at all."""
        ...

    async def names(self) -> tuple[str, ...]:
        """The names that it has values for, sorted. Never values."""
        ...
