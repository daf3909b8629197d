"""Sealed tokens: what the gateway gives into a client's hands and wants back unchanged (2026-07-28, Multi Round-Trip
Requests, Server Requirements: integrity, principal, expiry, originating request)."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolgate.protocol.aead import Aead

__all__ = ["Sealer"]


class Sealer:
    """AES-256-GCM. `purpose` makes a key of its own, so that a token for one thing is never good for another."""

    def __init__(self, key: bytes, purpose: str) -> None:
        self._purpose = purpose.encode()
        self._key = blake2b(self._purpose, key=key, digest_size=32).digest()

    @cached_property
    def _aead(self) -> "Aead":
        from toolgate.protocol.aead import Aead  # noqa: PLC0415  # 6 MB: only where a client has sessions or is asked

        return Aead(self._key, self._purpose)

    def seal(self, content: bytes) -> str:
        return _text(self._aead.encrypt(content))

    def open(self, token: str) -> bytes | None:
        """What was sealed; None for everything that this sealer did not seal."""
        try:
            sealed = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except ValueError:
            return None
        if _text(sealed) != token:
            return None  # base64 can be written in several ways, and a token has one
        return self._aead.decrypt(sealed)


def _text(sealed: bytes) -> str:
    return urlsafe_b64encode(sealed).decode().rstrip("=")
