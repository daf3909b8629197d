"""Envelope encryption: a fresh data key for each secret, AES-256-GCM, and that key wrapped by a master key.

A file of its own because what it imports takes 6 MB: only a gateway whose vault is used loads it.
"""

from secrets import token_bytes
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["Envelope", "NotOpened", "open_envelope", "rewrap", "seal"]

_KEY: Final = 32  # bytes
_NONCE: Final = 12
_WRAPPED: Final = b"toolgate.vault.key\0"
_BODY: Final = b"toolgate.vault.body\0"


class Envelope(NamedTuple):
    """`wrapped` is the data key under the master key, its nonce first; `body` is the secret under the data key."""

    wrapped: bytes
    nonce: bytes
    body: bytes


class NotOpened(Exception):
    """Something in it, or in what it is bound to, is not as it was sealed; or it was sealed with another master key."""


def seal(master: bytes, bound: bytes, secret: bytes) -> Envelope:
    """`bound` names the row that the envelope is good for; `master` has 32 bytes."""
    key, nonce = token_bytes(_KEY), token_bytes(_NONCE)
    body = AESGCM(key).encrypt(nonce, secret, _BODY + bound)
    return Envelope(_wrap(master, bound, key), nonce, body)


def open_envelope(master: bytes, bound: bytes, envelope: Envelope) -> bytes:
    """Raises `NotOpened`."""
    try:
        return AESGCM(_unwrap(master, bound, envelope.wrapped)).decrypt(envelope.nonce, envelope.body, _BODY + bound)
    except (ValueError, InvalidTag):
        raise NotOpened from None


def rewrap(old: bytes, new: bytes, bound: bytes, wrapped: bytes) -> bytes:
    """The same data key under another master key. Raises `NotOpened`."""
    return _wrap(new, bound, _unwrap(old, bound, wrapped))


def _wrap(master: bytes, bound: bytes, key: bytes) -> bytes:
    nonce = token_bytes(_NONCE)
    return nonce + AESGCM(master).encrypt(nonce, key, _WRAPPED + bound)


def _unwrap(master: bytes, bound: bytes, wrapped: bytes) -> bytes:
    try:
        return AESGCM(master).decrypt(wrapped[:_NONCE], wrapped[_NONCE:], _WRAPPED + bound)
    except (ValueError, InvalidTag):
        raise NotOpened from None
