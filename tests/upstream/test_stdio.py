import asyncio
import logging
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.upstream.conftest import House, Inbox, child, clean, make_call, stub
from toolgate.errors import DeadlineExceeded, ResponseTooLarge, ServerUnavailable, SlowClient
from toolgate.model.life import Cause, State
from toolgate.model.principal import Principal
from toolgate.protocol.eras import PROTOCOL_VERSION, Era
from toolgate.upstream.breaker import Circuit

OTHER = Principal("key:other", "another")


async def test_a_call_goes_out_under_the_servers_own_name_and_comes_back_unchanged(house: House) -> None:
    await house.serve(stub())
    result = await house.call("stub", "echo", {"n": 2**60})
    assert result["echo"] == {"name": "echo", "arguments": {"n": 2**60}}
    assert house.status("stub").era is Era.LEGACY
    assert house.status("stub").version == "2025-11-25"


async def test_a_modern_server_is_probed_once_and_gets_an_envelope_on_every_call(house: House) -> None:
    await house.serve(stub(mode="modern"))
    result = await house.call("stub", "echo", log_level="debug")
    assert result["echo"]["_meta"][PROTOCOL_VERSION] == "2026-07-28"
    assert house.status("stub").era is Era.MODERN
    assert len(house.audience.tools("stub")) == 10


async def test_progress_reaches_the_caller_under_its_own_token(house: House) -> None:
    await house.serve(stub())
    inboxes = [Inbox(), Inbox()]
    calls = [make_call("stub", "progress", meta={"progressToken": "same"}, channel=inbox) for inbox in inboxes]
    await asyncio.gather(*(house.of("stub").send(call) for call in calls))
    for inbox in inboxes:
        assert [message["params"] for message in inbox.messages] == [
            {"progressToken": "same", "progress": step, "extra": step} for step in range(3)
        ]


async def test_log_messages_reach_only_those_who_asked_and_nobody_while_two_principals_call(house: House) -> None:
    await house.serve(stub())
    asked, silent, old, all_of_it = Inbox(), Inbox(), Inbox(), Inbox()
    await house.call("stub", "log", channel=silent, era=Era.MODERN)
    await house.call("stub", "log", channel=old, era=Era.LEGACY)
    await house.call("stub", "log", channel=asked, log_level="warning")
    await house.call("stub", "log", channel=all_of_it, log_level="debug")
    assert silent.messages == []
    assert [message["params"]["level"] for message in old.messages] == ["debug", "error"]
    assert [message["params"]["level"] for message in asked.messages] == ["error"]
    assert [message["params"]["level"] for message in all_of_it.messages] == ["debug", "error"]

    shared = Inbox()
    waiting = asyncio.create_task(house.of("stub").send(make_call("stub", "slow", principal=OTHER)))
    await asyncio.sleep(0)
    await house.call("stub", "log", channel=shared, log_level="debug")
    assert shared.messages == []
    waiting.cancel()


async def test_pings_are_answered_and_other_requests_refused(house: House) -> None:
    await house.serve(stub())
    answers = (await house.call("stub", "ask"))["answers"]
    assert {answer["id"]: answer.get("result", answer.get("error", {}).get("code")) for answer in answers} == {
        "ping-1": {},
        "roots-1": -32601,
    }


async def test_a_call_that_takes_too_long_ends_and_is_cancelled_at_the_server(house: House) -> None:
    await house.serve(stub())
    with pytest.raises(DeadlineExceeded, match=r"'stub' did not answer tools/call 'late' within 0.05 s"):
        await house.call("stub", "late", {"after": 0.1}, timeout=0.05)
    told = (await house.call("stub", "cancelled"))["cancelled"]
    assert [cancel["reason"] for cancel in told] == ["deadline exceeded"]


async def test_a_client_that_goes_away_is_told_to_the_server_and_the_late_answer_is_ignored(house: House) -> None:
    await house.serve(stub())
    inbox = Inbox()
    call = make_call("stub", "flood", {"count": 1}, meta={"progressToken": 1}, channel=inbox)
    task = asyncio.create_task(house.of("stub").send(call))
    await inbox.first()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len((await house.call("stub", "cancelled"))["cancelled"]) == 1
    assert await house.call("stub", "echo")


async def test_a_client_that_does_not_read_loses_its_call_and_nobody_elses(house: House) -> None:
    await house.serve(stub())
    full = make_call("stub", "flood", {"count": 50}, meta={"progressToken": 1}, channel=Inbox(room=10))
    with pytest.raises(SlowClient):
        await house.of("stub").send(full)
    assert (await house.call("stub", "cancelled"))["cancelled"][0]["reason"] == "the client does not read"


async def test_a_child_that_dies_in_a_call_fails_it_at_once_with_its_last_words(house: House) -> None:
    await house.serve(stub())
    began = time.monotonic()
    with pytest.raises(ServerUnavailable, match="exited with code 3: the last words"):
        await house.call("stub", "die")
    assert time.monotonic() - began < 5
    lost = await house.audience.until_state("stub", State.STARTING)
    assert (lost.cause, lost.actor, lost.reason) == (Cause.LOST, "crash", "exited with code 3: the last words")
    assert await house.call("stub", "echo")


async def test_a_child_that_dies_again_and_again_is_not_waited_for_until_it_starts(house: House) -> None:
    await house.serve(stub())
    for _ in range(3):
        with pytest.raises(ServerUnavailable, match="exited with code 3: the last words"):
            await house.call("stub", "die")
        await house.audience.until(lambda: house.status("stub").state is not State.READY)
    failing = await house.audience.until_state("stub", State.FAILING)
    assert failing.circuit is Circuit.OPEN
    with pytest.raises(
        ServerUnavailable, match=r"is down: exited with code 3: the last words \(for 0 s, tried"
    ) as down:
        await house.call("stub", "echo")
    assert down.value.details["state"] == "failing"
    assert 0 < down.value.details["retry_in"] <= 4
    recovered = await house.audience.until_state("stub", State.READY)
    assert (recovered.cause, recovered.circuit) == (Cause.RECOVERED, Circuit.CLOSED)
    assert await house.call("stub", "echo")


async def test_a_child_that_closes_its_output_is_taken_for_dead(house: House) -> None:
    await house.serve(stub())
    with pytest.raises(ServerUnavailable, match="closed its standard output"):
        await house.call("stub", "close_output")


async def test_garbage_is_stepped_over_and_logged_without_secrets(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    await house.serve(stub(env={"TOKEN": "${TOKEN}"}))
    with caplog.at_level(logging.WARNING, "toolgate"):
        for _ in range(5):
            assert (await house.call("stub", "garbage"))["content"][0]["text"] == "after garbage"
    complaints = [record.getMessage() for record in caplog.records if "what is not MCP" in record.getMessage()]
    assert len(complaints) == 3
    assert "Listening on port 3000 with token ***" in complaints[0]
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("tail", [False, True])
async def test_a_line_over_the_limit_fails_the_call_that_it_answers(house: House, tail: bool) -> None:
    await house.serve(stub())
    other = asyncio.create_task(house.call("stub", "late", {"after": 0.2}))
    with pytest.raises(ResponseTooLarge, match="'stub' sent an answer of 52"):
        await house.call("stub", "huge", {"size": 50 << 20, "tail": tail})
    assert (await other)["content"][0]["text"] == "too late"


async def test_batches_are_understood(house: House) -> None:
    await house.serve(stub(mode="old"))
    assert await house.call("stub", "batch") == {"batch": True}
    assert house.status("stub").version == "2025-03-26"


async def test_a_flood_on_standard_error_disturbs_nobody(house: House) -> None:
    await house.serve(stub(mode="noisy"))
    results = await asyncio.gather(*(house.call("stub", "echo", {"n": n}) for n in range(100)))
    assert [result["echo"]["arguments"]["n"] for result in results] == list(range(100))


async def test_a_child_that_does_not_read_costs_only_its_own_callers(house: House) -> None:
    await house.pool.apply([stub("deaf", "deaf"), stub()])
    await house.audience.until_state("stub", State.READY)
    big = {"text": "x" * 200_000}
    stuck = [asyncio.create_task(house.call("deaf", "echo", big, timeout=0.5)) for _ in range(50)]
    assert (await house.call("stub", "echo", big))["echo"]["arguments"] == big
    for outcome in await asyncio.gather(*stuck, return_exceptions=True):
        assert isinstance(outcome, ServerUnavailable)
        assert "still starting" in outcome.message


async def test_what_waits_for_a_child_that_stopped_reading_is_bounded(house: House) -> None:
    await house.serve(stub())
    asleep = asyncio.create_task(house.call("stub", "nap"))
    big = {"text": "x" * 500_000}
    stuck = [asyncio.create_task(house.call("stub", "echo", big, timeout=0.3)) for _ in range(100)]
    before = psutil.Process().memory_info().rss
    for outcome in await asyncio.gather(*stuck, return_exceptions=True):
        assert isinstance(outcome, DeadlineExceeded)
    assert psutil.Process().memory_info().rss - before < 80 << 20
    asleep.cancel()


async def test_a_child_that_ignores_sigterm_is_stopped_all_the_same() -> None:
    async with clean(House()) as house:
        await house.serve(stub(mode="stubborn"))
        began = time.monotonic()
    assert time.monotonic() - began < 6


async def test_what_a_launcher_started_goes_with_it() -> None:
    async with clean(House()) as house:
        await house.serve(stub(mode="launcher"))
        server = psutil.Process((await house.call("stub", "echo"))["pid"])
        assert server.parent() != psutil.Process()
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE


async def test_a_thousand_calls_share_one_child(house: House) -> None:
    await house.serve(stub())
    began = time.monotonic()
    results = await asyncio.gather(*(house.call("stub", "echo", {"n": n}) for n in range(1000)))
    assert [result["echo"]["arguments"]["n"] for result in results] == list(range(1000))
    assert len({result["pid"] for result in results}) == 1
    assert time.monotonic() - began < 10


async def test_two_hundred_callers_of_a_cold_server_start_it_once(house: House, tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    await house.pool.apply([stub(env={"STARTS": str(starts), "PAUSE": "0.3"})])
    results: list[dict[str, Any]] = await asyncio.gather(*(house.call("stub", "echo") for _ in range(200)))
    assert len({result["pid"] for result in results}) == 1
    assert starts.read_text() == "x"


@pytest.mark.parametrize(
    ("command", "args", "hint"),
    [
        ("npx-that-nobody-has", (), "is not on PATH"),
        ("cmd", ("/c", "npx"), "npx itself"),
        ("C:\\tools\\server.exe", (), "Windows path"),
        ("/no/such/server", (), "does not exist"),
        ("/etc/passwd", (), "is not executable"),
        ("${NOWHERE}", (), "no secret is named NOWHERE"),
    ],
)
async def test_what_cannot_be_started_says_why(house: House, command: str, args: tuple[str, ...], hint: str) -> None:
    await house.serve(child("bad", command, args))
    status = house.status("bad")
    assert status.state is State.FAILING
    assert hint in f"{status.reason} {status.hint}"
