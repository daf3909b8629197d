"""Waiting before the next try: longer each time, never at once, never the same for all."""

from toolgate.upstream.backoff import Backoff


def test_waits_grow_to_a_minute_and_are_never_nothing() -> None:
    backoff = Backoff()
    waits = [backoff.next(0) for _ in range(20)]
    for at, wait in enumerate(waits):
        ceiling = min(60.0, 2.0**at)
        assert ceiling / 2 <= wait <= ceiling


def test_servers_that_failed_together_are_not_tried_together() -> None:
    assert len({Backoff().next(0) for _ in range(50)}) > 10


def test_what_has_held_begins_anew() -> None:
    backoff = Backoff(steady=30)
    for _ in range(10):
        backoff.next(1)
    assert backoff.next(31) <= 1
