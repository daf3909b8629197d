"""What buckets let through: never more than the rate and the burst, and no less."""

import asyncio
from bisect import bisect_left

from hypothesis import given
from hypothesis import strategies as st

from toolgate.model.rate import Rate
from toolgate.policy.buckets import LocalBuckets, Want


class Clock:
    def __init__(self, time: float = 1_000_000.0) -> None:
        self.time = time

    def __call__(self) -> float:
        return self.time


rates = st.builds(
    Rate, st.integers(1, 1_000), st.sampled_from(["second", "minute", "hour"]), st.integers(min_value=1, max_value=200)
)


@given(rates, st.lists(st.floats(0, 3), min_size=1, max_size=300))
def test_no_window_ever_holds_more_than_the_rate_and_the_burst(rate: Rate, steps: list[float]) -> None:
    clock = Clock()
    buckets = LocalBuckets(clock=clock)
    want = Want.of("principal", "a", rate)
    taken: list[float] = []
    for step in steps:
        clock.time += step * rate.interval
        if buckets.take([want]) is None:
            taken.append(clock.time)
    for at, start in enumerate(taken):
        for end in range(at, len(taken)):
            window = taken[end] - start
            assert end - at + 1 <= rate.burst + window / rate.interval + 1e-3


@given(rates, st.integers(1, 500))
def test_whoever_waits_as_long_as_told_is_let_in(rate: Rate, calls: int) -> None:
    clock = Clock()
    buckets = LocalBuckets(clock=clock)
    want = Want.of("principal", "a", rate)
    began = clock.time
    for _ in range(calls):
        if (short := buckets.take([want])) is not None:
            clock.time += short.wait
            assert buckets.take([want]) is None
    # A caller that never idles gets all that is its due.
    assert clock.time - began <= max(0, calls - rate.burst) * rate.interval * 1.000_01 + 1e-6


async def test_a_thousand_parallel_callers_together_get_the_rate_within_one_percent() -> None:
    clock = Clock()
    buckets = LocalBuckets(clock=clock)
    want = Want.of("total", "", Rate.of("1000/second burst 10"))
    taken: list[float] = []
    going = True

    async def caller() -> None:
        while going:
            if buckets.take([want]) is None:
                taken.append(clock.time)
            await asyncio.sleep(0)

    callers = [asyncio.create_task(caller()) for _ in range(1_000)]
    while buckets.take([want]) is None:  # what was saved up is not the rate
        pass
    began = clock.time
    for _ in range(2_000):
        clock.time += 0.001
        await asyncio.sleep(0)
    going = False
    await asyncio.gather(*callers)
    seconds = clock.time - began
    assert abs(len(taken) - 1_000 * seconds) <= 0.01 * 1_000 * seconds
    second = bisect_left(taken, began + 1)
    assert abs(second - 1_000) <= 20


def test_what_one_bucket_refuses_is_not_taken_from_another() -> None:
    clock = Clock()
    buckets = LocalBuckets(clock=clock)
    wide, narrow = Want.of("total", "", Rate.of("2/hour")), Want.of("tool", "t", Rate.of("1/hour"))
    assert buckets.take([wide, narrow]) is None
    short = buckets.take([wide, narrow])
    assert short is not None
    assert short.want is narrow
    assert buckets.take([wide]) is None
    assert buckets.take([wide]) is not None


def test_callers_do_not_share_a_bucket_and_a_caller_is_no_tool() -> None:
    buckets = LocalBuckets(clock=Clock())
    rate = Rate.of("1/day")
    wants = [Want.of("principal", "a", rate), Want.of("principal", "b", rate), Want.of("tool", "a", rate)]
    assert [buckets.take([want]) for want in wants] == [None] * 3


def test_full_buckets_are_forgotten_and_empty_ones_are_not() -> None:
    clock = Clock()
    buckets = LocalBuckets(clock=clock, most=100)
    slow = Want.of("principal", "slow", Rate.of("1/day"))
    assert buckets.take([slow]) is None
    for number in range(1_000):
        clock.time += 1
        assert buckets.take([Want.of("principal", str(number), Rate.of("1/second"))]) is None
        assert len(buckets) <= 100
    assert buckets.take([slow]) is not None


def test_there_are_never_more_buckets_than_the_bound_even_where_none_is_full() -> None:
    buckets = LocalBuckets(clock=Clock(), most=100)
    for number in range(1_000):
        assert buckets.take([Want.of("principal", str(number), Rate.of("1/day"))]) is None
        assert len(buckets) <= 100
    assert buckets.take([Want.of("principal", "999", Rate.of("1/day"))]) is not None
