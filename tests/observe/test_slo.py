import pytest

from tests.observe.calls import recorded
from toolgate.observe.metrics import Metrics
from toolgate.observe.slo import Objectives, Windows, quantile


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Told:
    """Calls that are recorded while a clock goes on, marked as often as the timer does it."""

    def __init__(self, objectives: Objectives = Objectives()) -> None:  # noqa: B008  # a tuple
        self.clock = Clock()
        self.metrics = Metrics(lambda server, method, name: True)
        self.windows = Windows(self.metrics.totals, objectives, self.clock)

    def minutes(self, count: float, *, calls: int = 60, faults: int = 0, seconds: float = 0.01) -> None:
        """`calls` of each minute, the last `faults` of which fail."""
        for _ in range(int(count * 4)):
            self.clock.now += 15
            for number in range(calls // 4):
                outcome = "error" if number < faults // 4 else "ok"
                self.metrics.record(recorded(outcome=outcome, seconds=seconds))
            self.windows.mark()


def test_the_last_five_minutes_of_a_server_are_told() -> None:
    told = Told()
    told.minutes(10, calls=400, faults=200)
    told.minutes(6, calls=40, faults=4, seconds=0.03)
    recent = told.windows.recent()["time"]
    assert (recent.calls, recent.faults) == (200, 20)
    assert recent.per_second == pytest.approx(40 / 60, rel=0.01)
    assert recent.p50 is not None
    assert 0.025 < recent.p50 < 0.05


def test_what_stopped_being_called_fades_out() -> None:
    told = Told()
    told.minutes(2)
    told.minutes(6, calls=0)
    assert told.windows.recent()["time"] == (0, 0, None, None, 0.0)


def test_the_budget_burns_as_fast_as_calls_fail() -> None:
    told = Told()
    told.minutes(6 * 60, calls=400)
    assert set(told.windows.burn().availability.values()) == {0.0}
    told.minutes(6, calls=400, faults=8)
    burn = told.windows.burn().availability
    assert burn["5m"] == pytest.approx(20, rel=0.01)
    assert burn["1h"] == pytest.approx(2, rel=0.05)
    assert burn["6h"] == pytest.approx(0.33, rel=0.05)


def test_slow_answers_burn_a_budget_of_their_own() -> None:
    told = Told()
    told.minutes(6, calls=40, seconds=0.1)
    assert told.windows.burn().latency["5m"] == 0.0
    told.minutes(6, calls=40, seconds=0.11)
    burn = told.windows.burn()
    assert burn.latency["5m"] == pytest.approx(100)
    assert burn.availability["5m"] == 0.0


def test_an_alarm_needs_a_long_window_and_a_short_one() -> None:
    told = Told()
    told.minutes(6 * 60, calls=40)
    told.minutes(6, calls=40, faults=40)
    assert told.windows.burn().alarm == "fast"
    told.minutes(10, calls=40)
    assert told.windows.burn().alarm == ""


def test_a_gateway_that_has_just_started_tells_what_it_knows() -> None:
    told = Told()
    assert told.windows.recent() == {}
    assert told.windows.burn().alarm == ""
    told.minutes(1, calls=40, faults=4)
    assert told.windows.burn().availability["6h"] == pytest.approx(100)


async def test_the_timer_marks_and_ends() -> None:
    told = Told()
    told.windows.start()
    told.windows.close()
    told.windows.close()


def test_a_quantile_is_estimated_within_its_bucket() -> None:
    counts = [0] * 17
    assert quantile(counts, 0.5) is None
    counts[4] = 10  # 5 to 10 ms
    assert quantile(counts, 0.5) == pytest.approx(0.0075)
    counts[16] = 100  # beyond a minute
    assert quantile(counts, 0.95) == 60.0
