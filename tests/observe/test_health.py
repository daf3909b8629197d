import pytest

from toolgate.model.transition import Transition
from toolgate.observe.health import Checked, CheckResult, Condition, assess, overall, reliability

HOUR = 3600.0


def story(*steps: tuple[float, str]) -> list[Transition]:
    """Transitions at these hours into these states; a `*` before a state begins anew."""
    told: list[Transition] = []
    before = ""
    for hour, state in steps:
        after = state.removeprefix("*")
        told.append(Transition("time", hour * HOUR, "" if state.startswith("*") else before, after))
        before = after
    return told


def test_a_server_that_never_failed_was_up_all_the_time_it_was_watched() -> None:
    found = reliability(story((0, "starting"), (1, "ready")), 0, 24 * HOUR)
    assert (found.uptime, found.mtbf, found.mttr, found.outages) == (1.0, None, None, 0)


def test_an_outage_lasts_until_the_server_is_ready_again() -> None:
    told = story((0, "starting"), (0, "ready"), (4, "starting"), (4.5, "failing"), (5, "ready"))
    found = reliability(told, 0, 10 * HOUR)
    assert found.uptime == pytest.approx(0.9)
    assert (found.mtbf, found.mttr, found.outages) == (9 * HOUR, HOUR, 1)


def test_several_outages_are_averaged() -> None:
    told = story((0, "ready"), (2, "failing"), (3, "ready"), (5, "failing"), (8, "ready"))
    found = reliability(told, 0, 10 * HOUR)
    assert found.uptime == pytest.approx(0.6)
    assert (found.mtbf, found.mttr) == (3 * HOUR, 2 * HOUR)


def test_a_server_that_cannot_be_started_is_down_from_the_first() -> None:
    found = reliability(story((0, "starting"), (1, "failing")), 0, 4 * HOUR)
    assert (found.uptime, found.mtbf, found.mttr, found.outages) == (0.0, 0.0, None, 1)


def test_a_first_start_that_succeeds_or_goes_on_is_no_outage() -> None:
    assert reliability(story((0, "starting"), (1, "ready")), 0, 2 * HOUR).uptime == 1.0
    assert reliability(story((0, "starting")), 0, 2 * HOUR).uptime is None


def test_time_in_which_nobody_watched_does_not_count() -> None:
    stopped = story((0, "ready"), (1, "stopped"), (9, "*starting"), (9, "ready"))
    killed = story((0, "starting"), (0, "ready"), (1, "failing"), (2, "ready"), (3, "*starting"), (9, "ready"))
    assert reliability(stopped, 0, 10 * HOUR).uptime == 1.0
    # What was ready when the gateway was killed may have ended at any time before the next began.
    found = reliability(killed, 0, 10 * HOUR)
    assert found.uptime == pytest.approx(2 / 3)
    assert found.outages == 1


def test_only_what_lies_within_the_window_counts() -> None:
    told = story((0, "ready"), (2, "failing"), (4, "ready"))
    found = reliability(told, 3 * HOUR, 7 * HOUR)
    assert found.uptime == pytest.approx(0.75)
    assert found.outages == 0
    assert reliability(told, 5 * HOUR, 7 * HOUR).uptime == 1.0


def test_of_a_server_that_nobody_knows_nothing_is_said() -> None:
    assert reliability([], 0, HOUR) == (None, None, None, 0)


@pytest.mark.parametrize(
    ("state", "check", "calls", "faults", "condition"),
    [
        ("ready", None, 0, 0, Condition.HEALTHY),
        ("ready", CheckResult(1, 0.1), 100, 4, Condition.HEALTHY),
        ("ready", CheckResult(1, 0.1), 100, 5, Condition.DEGRADED),
        ("ready", None, 9, 9, Condition.HEALTHY),
        ("ready", CheckResult(1, 10, "no answer", 1), 0, 0, Condition.DEGRADED),
        ("ready", CheckResult(1, 10, "no answer", 3), 0, 0, Condition.UNHEALTHY),
        ("starting", None, 0, 0, Condition.STARTING),
        ("failing", CheckResult(1, 0.1), 0, 0, Condition.UNHEALTHY),
        ("stopped", None, 0, 0, Condition.STOPPED),
        ("idle", None, 0, 0, Condition.HEALTHY),
    ],
)
def test_a_server_is_judged_by_state_checks_and_calls(
    state: str, check: CheckResult | None, calls: int, faults: int, condition: Condition
) -> None:
    health = assess(state, "", check, calls, faults)
    assert health.condition is condition
    assert bool(health.reason) is (condition is not Condition.HEALTHY)


def test_the_gateway_is_as_well_as_its_servers_are() -> None:
    healthy, starting, degraded, unhealthy, stopped = Condition
    assert overall([]) is overall([healthy, healthy]) is healthy
    assert overall([healthy, starting]) is starting
    assert overall([healthy, unhealthy]) is overall([starting, unhealthy]) is overall([degraded]) is degraded
    assert overall([unhealthy, unhealthy]) is unhealthy
    assert overall([stopped]) is overall([stopped, healthy]) is healthy


def test_checks_that_fail_are_counted_until_one_succeeds() -> None:
    checked = Checked(lambda: 5.0)
    for error in ("no answer", "no answer"):
        checked.note("time", 10.0, error)
    assert checked.get("time") == CheckResult(5.0, 10.0, "no answer", 2)
    assert list(checked.failures()) == [(("time",), 2)]
    checked.note("time", 0.1, "")
    assert checked.get("time") == CheckResult(5.0, 0.1)
    checked.keep(["git"])
    assert checked.get("time") is None
