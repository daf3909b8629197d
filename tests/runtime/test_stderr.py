import logging

import pytest

from toolgate.runtime.stderr import StderrTail


def redact(text: str) -> str:
    return text.replace("hunter2-secret", "***")


def test_the_last_lines_are_kept_and_redacted() -> None:
    tail = StderrTail("x", redact)
    for at in range(300):
        tail.feed(f"line {at} hunter2-secret\n".encode())
    assert len(tail.lines()) == 100
    assert tail.last() == "line 299 ***"


def test_half_a_secret_at_the_cut_is_not_shown() -> None:
    tail = StderrTail("x", redact)
    tail.feed(b"hunter2-secret" * 10_000)
    assert tail.lines() == []
    tail.feed(b"\ncalm again")
    assert tail.lines() == ["calm again"]


def test_lines_are_cut_after_the_secrets_are_out_and_hold_no_control_characters() -> None:
    tail = StderrTail("x", redact)
    tail.feed(b"x" * 495 + b"hunter2-secret\x1b[31mred")
    assert tail.last() == "x" * 495 + "*** ["


def test_a_flood_is_no_flood_in_our_log(caplog: pytest.LogCaptureFixture) -> None:
    tail = StderrTail("x", redact)
    with caplog.at_level(logging.DEBUG, "toolgate"):
        for _ in range(1000):
            tail.feed(b"hunter2-secret again\n")
    assert 200 <= len(caplog.records) <= 500
    assert "hunter2" not in caplog.text
