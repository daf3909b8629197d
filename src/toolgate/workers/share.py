"""What one worker may use up of what the configuration gives to all."""

from toolgate.config.model import Document

__all__ = ["share"]


def share(document: Document, count: int) -> Document:
    """Calls under way and the room for results are divided, rounded up; rates are not, since the buckets are shared."""
    limits = document.limits
    each = limits.calls_per_principal
    divided = limits.model_copy(
        update={
            "calls": -(-limits.calls // count),
            "calls_per_principal": None if each is None else -(-each // count),
            "cache_bytes": -(-limits.cache_bytes // count),
        }
    )
    return document.model_copy(update={"limits": divided})
