import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolgate.runtime.egress.dns import answer

A, AAAA, TXT, HTTPS = 1, 28, 16, 65


def query(name: str, kind: int = A, *, flags: int = 0x0100, family: int = 1, questions: int = 1) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!6H", 7, flags, questions, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, family)


def looked_up(name: str) -> str | None:
    return "127.1.0.1" if name == "api.example.com" else None


def status(response: bytes | None) -> tuple[int, int]:
    """The code and the number of answers."""
    assert response
    number, flags, _, answers, _, _ = struct.unpack_from("!6H", response)
    assert (number, flags & 0x8000) == (7, 0x8000)
    return flags & 0xF, answers


def test_a_granted_name_has_its_address_in_whatever_case_it_is_asked_for() -> None:
    response = answer(query("API.example.COM"), looked_up)
    assert status(response) == (0, 1)
    assert response is not None
    assert response.endswith(b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\1\0\1")
    assert response[12:].startswith(query("API.example.COM")[12:])


@pytest.mark.parametrize("kind", [AAAA, TXT, HTTPS, 255])
def test_a_granted_name_has_nothing_but_its_address(kind: int) -> None:
    assert status(answer(query("api.example.com", kind), looked_up)) == (0, 0)


@pytest.mark.parametrize("kind", [A, AAAA, TXT, HTTPS])
def test_another_name_does_not_exist(kind: int) -> None:
    assert status(answer(query("evil.example.net", kind), looked_up)) == (3, 0)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (query("api.example.com", flags=0x2800), 4),
        (query("api.example.com", family=3), 3),
        (query("api.example.com", questions=2), 1),
        (query("api.example.com", questions=0), 1),
        (query("api.example.com")[:-1], 1),
        (query("a")[:12] + b"\xc0\x0c\0\1\0\1", 1),
        (query(".".join(["a" * 60] * 6)), 1),
        (query("a")[:12] + b"\1.\0\0\1\0\1", 1),
    ],
)
def test_what_is_no_question_is_answered_as_such(asked: bytes, code: int) -> None:
    assert status(answer(asked, looked_up)) == (code, 0)


def test_a_response_and_a_scrap_are_not_answered() -> None:
    assert answer(query("api.example.com", flags=0x8000), looked_up) is None
    assert answer(b"\0" * 11, looked_up) is None


@given(st.binary(max_size=600), st.integers(0, 40))
def test_any_bytes_are_answered_or_not_but_never_break_it(noise: bytes, kept: int) -> None:
    for asked in (noise, query("api.example.com")[:kept] + noise):
        response = answer(asked, looked_up)
        assert response is None or len(response) <= len(asked) + 16
