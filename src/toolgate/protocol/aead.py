"""AES-256-GCM as `sealed` needs it, in a file of its own because what it imports takes 6 MB and 8 ms."""

from secrets import token_bytes
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["Aead"]

_NONCE: Final = 12  # bytes


class Aead:
    """`key` has 32 bytes. What is encrypted for one `purpose` is good for no other."""

    def __init__(self, key: bytes, purpose: bytes) -> None:
        self._cipher = AESGCM(key)
        self._purpose = purpose

    def encrypt(self, content: bytes) -> bytes:
        nonce = token_bytes(_NONCE)
        return nonce + self._cipher.encrypt(nonce, content, self._purpose)

    def decrypt(self, sealed: bytes) -> bytes | None:
        """None for everything that was not encrypted here."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], self._purpose)
        except (ValueError, InvalidTag):
            return None
