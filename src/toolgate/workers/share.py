"""What one worker may use up of what the configuration gives to all."""

from toolgate.config.model import Document

__all__ = ["share"]


def share(document: Document, count: int) -> Document:
    """Calls under way, processes and the room for results are divided, rounded up; rates are not, since the
    buckets are shared."""
    limits = document.limits
    each = limits.calls_per_principal
    divided = limits.model_copy(
        update={
            "calls": -(-limits.calls // count),
            "calls_per_principal": None if each is None else -(-each // count),
            "cache_bytes": -(-limits.cache_bytes // count),
        }
    )
    life = document.life
    running = life.model_copy(
        update={
            "processes": -(-life.processes // count),
            "processes_per_owner": -(-life.processes_per_owner // count),
        }
    )
    return document.model_copy(update={"limits": divided, "life": running})
