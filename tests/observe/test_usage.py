"""Sums that nothing is lost from."""

from bisect import bisect_left, bisect_right
from collections import Counter
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.recording.calls import NOON, a_call
from toolgate.errors import Draining, RequestTooLarge, ServerUnavailable, StartFailed
from toolgate.model.usage import HOUR, LATENCIES, Tally, UsageKey, total
from toolgate.observe.recorded import Recorded
from toolgate.observe.usage import FOLDED, Usage

ENDS = ("ok", "failed", "error", "cancelled", "server-unavailable", "rate-limited")

calls = st.builds(
    a_call,
    st.sampled_from(["search", "read", "write"]),
    at=st.sampled_from([NOON - 1, NOON, NOON + 10, NOON + HOUR]),
    seconds=st.floats(0, 100),
    principal=st.sampled_from(["local", "key:abcdefgh"]),
    server=st.sampled_from(["github", "time"]),
    method=st.sampled_from(["tools/call", "resources/read"]),
    outcome=st.sampled_from(ENDS),
    sent=st.integers(0, 10**6),
    received=st.integers(0, 10**6),
    cached=st.booleans(),
)


def whole(usage: Usage) -> Tally:
    return total(tally for _, tally in usage.take())


@given(st.lists(calls, max_size=60), st.integers(1, 8), st.data())
def test_the_sum_of_the_parts_is_the_whole(records: list[Recorded], most: int, data: st.DataObject) -> None:
    usage = Usage(most)
    parts = Tally()
    for record in records:
        usage.add(record)
        if data.draw(st.booleans()):
            for _, tally in usage.take():
                parts.add(tally)
        elif data.draw(st.booleans()):
            usage.give_back(usage.take())
    parts.add(whole(usage))
    ends = Counter(record.outcome for record in records)
    assert (parts.ok, parts.failed, parts.cancelled) == (ends["ok"], ends["failed"], ends["cancelled"])
    assert parts.errors == ends["error"] + ends["server-unavailable"]
    assert parts.refused == ends["rate-limited"]
    assert parts.calls == len(records)
    assert parts.cached == sum(record.cached for record in records)
    assert parts.sent == sum(record.sent for record in records)
    assert parts.received == sum(record.received for record in records)
    assert sum(parts.latencies) == parts.answered
    timed = [record.seconds for record in records if record.outcome not in {"cancelled", "rate-limited"}]
    assert parts.seconds == pytest.approx(sum(timed))
    assert not usage


@given(st.lists(calls, max_size=60))
def test_each_sum_is_of_its_own_hour_caller_and_tool(records: list[Recorded]) -> None:
    usage = Usage()
    for record in records:
        usage.add(record)
    expected = Counter(
        UsageKey(
            int(record.at) // HOUR * HOUR,
            record.principal,
            record.principal_name,
            record.team,
            record.server,
            record.method,
            record.name,
        )
        for record in records
    )
    assert {key: tally.calls for key, tally in usage.take()} == expected


@pytest.mark.parametrize(
    ("outcome", "field"),
    [
        ("ok", "ok"),
        ("failed", "failed"),
        ("error", "errors"),
        ("internal", "errors"),
        (ServerUnavailable.code, "errors"),
        (StartFailed.code, "errors"),
        (Draining.code, "refused"),
        (RequestTooLarge.code, "refused"),
        ("cancelled", "cancelled"),
    ],
)
def test_each_end_counts_as_one_thing(outcome: str, field: str) -> None:
    usage = Usage()
    usage.add(a_call(outcome=outcome))
    tally = whole(usage)
    assert getattr(tally, field) == tally.calls == 1
    assert sum(tally.latencies) == tally.answered == (field not in {"refused", "cancelled"})


def test_uris_that_a_client_makes_up_are_folded_and_counted() -> None:
    usage = Usage()
    for number in range(10_000):
        usage.add(a_call(f"file:///{number}", method="resources/read"))
        usage.add(a_call("file:///0", method="resources/read"))
    rows = usage.take()
    assert len(rows) < 300
    assert total(tally for _, tally in rows).calls == 20_000
    by_name = {key.name: tally.calls for key, tally in rows}
    assert by_name["file:///0"] == 10_001
    assert by_name[FOLDED] > 9000


def test_uris_stay_folded_after_the_sums_were_taken_until_the_hour_is_over() -> None:
    usage = Usage()
    for number in range(300):
        usage.add(a_call(f"file:///{number}", method="resources/read"))
    usage.take()
    usage.add(a_call("file:///new", method="resources/read"))
    usage.add(a_call("file:///new", at=NOON + HOUR, method="resources/read"))
    assert [key.name for key, _ in usage.take()] == [FOLDED, "file:///new"]


def test_what_nobody_takes_stays_bounded_and_counted() -> None:
    usage = Usage(most=100)
    told = [usage.crowded]
    for number in range(5000):
        usage.add(a_call(f"tool-{number}"))
    told.append(usage.crowded)
    assert told == [False, True]
    rows = usage.take()
    assert len(rows) == 101
    assert total(tally for _, tally in rows).calls == 5000


def test_a_percentile_is_found_within_its_bucket() -> None:
    tally = Tally()
    assert tally.percentile(0.5) is None
    for _ in range(99):
        tally.time(0.04)
    tally.time(8.0)
    half = tally.percentile(0.5)
    assert half is not None
    assert 0.025 <= half <= 0.05
    last = tally.percentile(1.0)
    assert last is not None
    assert 5 <= last <= 10
    slowest = Tally()
    slowest.time(1000)
    assert slowest.percentile(0.99) == LATENCIES[-1]


@given(st.lists(st.floats(0, 100), min_size=1), st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_is_in_the_bucket_of_the_call_that_it_is_of(times: list[float], share: float) -> None:
    tally = Tally()
    for seconds in times:
        tally.time(seconds)
    exact = sorted(times)[max(0, ceil(share * len(times)) - 1)]
    found = tally.percentile(share)
    assert found is not None
    assert bisect_left(LATENCIES, exact) in {bisect_left(LATENCIES, found), bisect_right(LATENCIES, found)}
