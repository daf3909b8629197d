"""Sealed tokens: what the gateway gives into a client's hands and wants back unchanged (2026-07-28, Multi Round-Trip
Requests, Server Requirements: integrity, principal, expiry, originating request)."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Malformed
from hashlib import blake2b
from secrets import token_bytes
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["Sealer"]

_NONCE: Final = 12  # bytes


class Sealer:
    """AES-256-GCM. `purpose` makes a key of its own, so that a token for one thing is never good for another."""

    def __init__(self, key: bytes, purpose: str) -> None:
        self._purpose = purpose.encode()
        self._cipher = AESGCM(blake2b(self._purpose, key=key, digest_size=32).digest())

    def seal(self, content: bytes) -> str:
        nonce = token_bytes(_NONCE)
        return _text(nonce + self._cipher.encrypt(nonce, content, self._purpose))

    def open(self, token: str) -> bytes | None:
        """What was sealed; None for everything that this sealer did not seal."""
        try:
            sealed = urlsafe_b64decode(token + "=" * (-len(token) % 4))
            if _text(sealed) != token:
                return None  # base64 can be written in several ways, and a token has one
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], self._purpose)
        except (Malformed, ValueError, InvalidTag):
            return None


def _text(sealed: bytes) -> str:
    return urlsafe_b64encode(sealed).decode().rstrip("=")
