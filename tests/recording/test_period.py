import time
from datetime import datetime

import pytest

from toolgate.errors import InvalidParams
from toolgate.recording.period import seconds_of, since

NOW = time.mktime((2026, 11, 21, 13, 30, 0, 0, 0, -1))


@pytest.mark.parametrize(("span", "seconds"), [("30m", 1800), ("12h", 43_200), ("7d", 604_800), ("2w", 1_209_600)])
def test_a_span_ends_now(span: str, seconds: int) -> None:
    assert seconds_of(span) == seconds
    assert since(span, NOW) == NOW - seconds


def test_today_began_at_midnight() -> None:
    begin = datetime.fromtimestamp(since("today", NOW))
    assert (begin.day, begin.hour, begin.minute) == (21, 0, 0)


def test_a_span_that_is_longer_than_all_time_begins_with_it() -> None:
    assert since("999999y", NOW) == 0


@pytest.mark.parametrize("span", ["", "0d", "d", "7", "7x", "-7d", "7d ", "9999999d", "now"])
def test_what_is_no_period_is_refused_with_what_is(span: str) -> None:
    with pytest.raises(InvalidParams) as raised:
        since(span, NOW)
    assert "7d" in raised.value.hint
