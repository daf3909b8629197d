from toolgate.upstream.breaker import Breaker, Circuit


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_opens_at_the_third_crash_within_a_minute() -> None:
    breaker = Breaker(clock=Clock())
    assert [breaker.crashed() for _ in range(3)] == [False, False, True]
    assert breaker.circuit is Circuit.OPEN


def test_crashes_far_apart_open_nothing() -> None:
    clock = Clock()
    breaker = Breaker(clock=clock)
    for _ in range(10):
        clock.now += 40
        assert not breaker.crashed()


def test_it_is_half_open_while_it_is_tried_and_closes_with_a_start() -> None:
    breaker = Breaker()
    seen = []
    for step in (breaker.trying, breaker.failed, breaker.trying, breaker.started):
        step()
        seen.append(breaker.circuit)
    assert seen == [Circuit.CLOSED, Circuit.OPEN, Circuit.HALF_OPEN, Circuit.CLOSED]


def test_what_crashes_again_after_it_was_open_opens_it_at_once() -> None:
    breaker = Breaker(clock=Clock())
    for _ in range(3):
        breaker.crashed()
    breaker.started()
    assert breaker.crashed()


def test_a_person_who_starts_it_has_a_clean_slate() -> None:
    breaker = Breaker(clock=Clock())
    for _ in range(3):
        breaker.crashed()
    breaker.reset()
    assert not breaker.crashed()
