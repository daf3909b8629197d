import pytest

from toolgate.model.rate import Rate


@pytest.mark.parametrize(
    ("text", "interval", "burst", "shown"),
    [
        ("100/minute", 0.6, 100, "100/minute"),
        (" 5 / second ", 0.2, 5, "5/second"),
        ("100/minute burst 20", 0.6, 20, "100/minute burst 20"),
        ("3600/hour burst 1", 1.0, 1, "3600/hour burst 1"),
        ("86400/day", 1.0, 86_400, "86400/day"),
    ],
)
def test_a_rate_is_read_and_shown(text: str, interval: float, burst: int, shown: str) -> None:
    rate = Rate.of(text)
    assert rate.interval == pytest.approx(interval)
    assert (rate.burst, str(rate)) == (burst, shown)
    assert Rate.of(str(rate)) == rate


@pytest.mark.parametrize("text", ["", "100", "0/minute", "-1/minute", "1.5/second", "5/fortnight", "5/minute burst 0"])
def test_what_is_no_rate_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="100/minute burst 20"):
        Rate.of(text)
