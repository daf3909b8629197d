"""Buckets that several processes take from."""

import os
import time
from collections.abc import Callable
from itertools import count

import pytest

from toolgate.model.rate import Rate
from toolgate.policy.buckets import Buckets, LocalBuckets, Short, Want
from toolgate.workers.buckets import SharedBuckets


def want(name: str, rate: str) -> Want:
    return Want.of("principal", name, Rate.of(rate))


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("make", [LocalBuckets, SharedBuckets])
def test_both_kinds_let_in_the_same(make: Callable[..., Buckets]) -> None:
    clock = Clock()
    buckets = make(clock=clock)
    wants = [want("a", "10/second burst 3"), want("b", "2/second burst 5")]
    seen = []
    for _ in range(40):
        short = buckets.take(wants)
        seen.append(None if short is None else (short.want.whose, round(short.wait, 3)))
        clock.now += 0.07
    assert seen[:5] == [None, None, None, None, None]
    assert seen == [
        None if short is None else (short.want.whose, round(short.wait, 3)) for short in _expected(len(seen))
    ]


def _expected(calls: int) -> list[Short | None]:
    clock = Clock()
    buckets = LocalBuckets(clock=clock)
    wants = [want("a", "10/second burst 3"), want("b", "2/second burst 5")]
    found: list[Short | None] = []
    for _ in range(calls):
        found.append(buckets.take(wants))
        clock.now += 0.07
    return found


def test_what_one_bucket_refuses_is_not_taken_from_the_others() -> None:
    clock = Clock()
    buckets = SharedBuckets(clock=clock)
    full, empty = want("full", "1/hour burst 2"), want("empty", "1/hour")
    assert buckets.take([empty]) is None
    assert buckets.take([full, empty]) is not None
    assert buckets.take([full]) is None
    assert buckets.take([full]) is None
    assert buckets.take([full]) is not None


def test_processes_together_get_no_more_than_one_would() -> None:
    buckets = SharedBuckets()
    wants = [want("k", "1000/second burst 1000")]  # so many that none is lost while others have the processor
    reader, writer = os.pipe()
    began = time.monotonic()
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            let_in = 0
            while time.monotonic() < began + 1:
                let_in += buckets.take(wants) is None
            os.write(writer, b"%d\n" % let_in)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    let_in = sum(map(int, os.read(reader, 1000).split()))
    os.close(reader)
    os.close(writer)
    assert 0.99 * 2_000 <= let_in <= 1.01 * 2_000


def test_a_table_that_is_full_refuses_nobody_who_is_new() -> None:
    clock = Clock()
    buckets = SharedBuckets(clock=clock, most=64)
    numbers = count()
    assert all(buckets.take([want(f"k{next(numbers)}", "1/hour")]) is None for _ in range(1_000))


def test_a_lock_that_a_dead_process_held_is_opened_again() -> None:
    buckets = SharedBuckets()
    child = os.fork()
    if child == 0:
        buckets._acquire()
        os._exit(0)
    os.waitpid(child, 0)
    assert buckets.take([want("a", "1/hour")]) is None, "it goes on without"
    buckets.repair()
    began = time.monotonic()
    assert buckets.take([want("b", "1/hour")]) is None
    assert time.monotonic() - began < 0.04
