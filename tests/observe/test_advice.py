"""Suggestions rest on figures, and are not made where those do not carry them."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from toolgate.model.usage import Tally
from toolgate.observe.advice import Advice, Figures, ListedTool, advise, tokens

DAY = 86_400
MONDAY = int(datetime(2026, 11, 2, tzinfo=UTC).timestamp())

OFFER = [
    *(ListedTool("github", f"unused-{number}", 1771) for number in range(14)),
    ListedTool("github", "search", 800, read_only=True, idempotent=True),
    ListedTool("time", "now", 100),
]


def a_tally(ok: int = 0, *, seconds: float = 0.01, failed: int = 0, errors: int = 0, refused: int = 0) -> Tally:
    tally = Tally(ok=ok, failed=failed, errors=errors, refused=refused)
    for _ in range(tally.answered):
        tally.time(seconds)
    return tally


def figures(
    tools: Mapping[tuple[str, str], Tally] | None = None,
    hours: Mapping[tuple[str, int], Tally] | None = None,
    watched: float = 30 * DAY,
) -> Figures:
    return Figures(30, watched, tools or {}, hours or {})


def only(found: list[Advice]) -> Advice:
    [advice] = found
    return advice


def test_tools_that_nobody_calls_are_named_with_what_they_cost() -> None:
    advice = only(advise(figures({("github", "search"): a_tally(1)}), OFFER))
    assert (advice.kind, advice.subject) == ("prune", "github")
    assert advice.text == "prune these 14 tools of github: 6,198 tokens a listing, and no call in 30 days"
    assert advice.figures["tools"] == [f"unused-{number}" for number in range(14)]
    assert (advice.figures["bytes"], advice.figures["tokens"], advice.figures["of"]) == (24_794, 6198, 15)
    assert "virtual" in advice.action


def test_one_tool_is_called_by_its_name() -> None:
    assert (
        only(advise(figures(), OFFER[-2:-1])).text
        == "prune search of github: 200 tokens a listing, and no call in 30 days"
    )


def test_a_server_of_which_nothing_is_called_may_go_as_a_whole() -> None:
    advice = only(advise(figures(), OFFER))
    assert "all 15 tools of github" in advice.text
    assert "disabled" in advice.action


@pytest.mark.parametrize(
    "seen",
    [
        figures(watched=2 * DAY),
        figures({("github", "*"): a_tally(1)}),
        figures({("github", tool.name): a_tally(refused=1) for tool in OFFER}),
    ],
    ids=["watched for two days", "some calls without a name", "all called"],
)
def test_no_tool_is_called_unused_without_knowing_it(seen: Figures) -> None:
    assert advise(seen, OFFER) == []


def test_a_read_that_is_called_often_and_takes_long_is_worth_a_cache() -> None:
    busy = {("github", "search"): a_tally(500, seconds=0.3)}
    advice = only([found for found in advise(figures(busy), OFFER) if found.kind == "cache"])
    assert advice.subject == "github/search"
    assert (advice.figures["calls"], advice.figures["cached"]) == (500, 0)
    assert 250 <= advice.figures["p50_ms"] <= 500
    assert "arguments is not recorded" in advice.action


@pytest.mark.parametrize(
    ("tally", "tool"),
    [
        (a_tally(99, seconds=0.3), OFFER[-2]),
        (a_tally(500, seconds=0.001), OFFER[-2]),
        (a_tally(500, seconds=0.3), ListedTool("github", "search", 800, read_only=True)),
        (a_tally(500, seconds=0.3), ListedTool("github", "search", 800, idempotent=True)),
    ],
    ids=["seldom", "quick", "not idempotent", "not a read"],
)
def test_nothing_else_is(tally: Tally, tool: ListedTool) -> None:
    assert advise(figures({("github", "search"): tally}), [tool]) == []


def test_what_comes_from_the_cache_already_is_left_alone() -> None:
    tally = a_tally(500, seconds=0.3)
    tally.cached = 400
    assert advise(figures({("github", "search"): tally}), OFFER[-2:-1]) == []


def test_a_server_that_fails_on_mondays_is_said_to() -> None:
    hours = {
        ("github", MONDAY + day * DAY): a_tally(88, errors=12) if day % 7 == 0 else a_tally(99, errors=1)
        for day in range(21)
    }
    advice = only(advise(figures(hours=hours), []))
    assert (advice.kind, advice.subject) == ("failing", "github")
    assert advice.text == "github fails 12% of its calls on Mondays (UTC), and 1% on other days"
    assert advice.figures == {
        "calls": 300,
        "failed": 0,
        "errors": 36,
        "rate": 0.12,
        "day": "Mondays",
        "other_days": {"calls": 1800, "rate": 0.01},
    }


def test_one_bad_monday_says_nothing_of_mondays() -> None:
    hours = {("github", MONDAY + day * DAY): a_tally(100) for day in range(14)}
    hours["github", MONDAY] = a_tally(0, errors=100)
    advice = only(advise(figures(hours=hours), []))
    assert advice.text == "github fails 7% of its calls"


def test_a_server_that_fails_evenly_is_said_to() -> None:
    hours = {("time", MONDAY + day * DAY): a_tally(90, failed=4, errors=6) for day in range(14)}
    advice = only(advise(figures(hours=hours), []))
    assert advice.text == "time fails 10% of its calls"
    assert advice.figures == {"calls": 1400, "failed": 56, "errors": 84, "rate": 0.1}
    assert "toolgate doctor time" in advice.action


@pytest.mark.parametrize("tally", [a_tally(1, errors=9), a_tally(1000, errors=20)], ids=["few", "a small share"])
def test_a_few_failures_are_no_advice(tally: Tally) -> None:
    assert advise(figures(hours={("time", MONDAY): tally}), []) == []


def test_a_slow_tool_is_named_with_how_slow_it_is() -> None:
    tally = a_tally(90)
    for _ in range(10):
        tally.ok += 1
        tally.time(20)
    advice = only(advise(figures({("time", "now"): tally}), []))
    assert (advice.kind, advice.subject) == ("slow", "time/now")
    assert advice.figures["p95_ms"] > 10_000
    assert advice.figures["p50_ms"] < 50
    assert advise(figures({("time", "now"): a_tally(10, seconds=20)}), []) == []


def test_a_tool_that_is_always_refused_is_named() -> None:
    advice = only(advise(figures({("time", "now"): a_tally(refused=10)}), []))
    assert (advice.kind, advice.figures["refused"]) == ("refused", 10)
    assert advise(figures({("time", "now"): a_tally(1, refused=10)}), []) == []


def test_tokens_are_a_quarter_of_the_bytes() -> None:
    assert tokens(24_800) == 6200
