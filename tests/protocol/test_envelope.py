"""Envelopes find what routing needs and leave the rest as it came."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolgate.errors import DeadlineExceeded, InvalidParams, InvalidRequest, ParseError
from toolgate.protocol.envelope import dump, error_object, failure, fields, notification, parse, request, response

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=12,
)


@given(
    st.one_of(st.integers(), st.text()),
    st.text(min_size=1),
    st.dictionaries(st.text(), json_values, max_size=5),
)
def test_a_request_is_read_back_as_it_was_written(key: int | str, method: str, params: dict[str, object]) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": key, "method": method, "params": params}).encode()
    message = parse(body)
    assert json.loads(message.key or b"null") == key
    assert message.method == method
    again = parse(request(message.key or b"", method, dump(fields(message.params))))
    assert json.loads(bytes(again.params)) == params  # type: ignore[arg-type]  # there are params


def test_a_value_that_nobody_looks_into_keeps_every_byte() -> None:
    raw = b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"n":12345678901234567890123,"f":1.10,"u":"\xe2\x80\xa8"}}'
    assert dump(fields(parse(raw).params)) == b'{"n":12345678901234567890123,"f":1.10,"u":"\xe2\x80\xa8"}'


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b'{"jsonrpc":"2.0",}', b"nul", b'{"jsonrpc":"2.0","id":"\xff","method":"m"}']
)
def test_what_is_not_json_is_a_parse_error(body: bytes) -> None:
    with pytest.raises(ParseError):
        parse(body)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"1",
        b"null",
        b"{}",
        b'{"jsonrpc":"1.0","id":1,"method":"m"}',
        b'{"jsonrpc":"2.0","id":null,"method":"m"}',
        b'{"jsonrpc":"2.0","id":1.5,"method":"m"}',
        b'{"jsonrpc":"2.0","id":1e3,"method":"m"}',
        b'{"jsonrpc":"2.0","id":true,"method":"m"}',
        b'{"jsonrpc":"2.0","id":[1],"method":"m"}',
        b'{"jsonrpc":"2.0","id":1,"method":5}',
    ],
)
def test_what_is_not_one_message_is_an_invalid_request(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parse(body)


def test_nesting_without_end_is_refused_and_not_followed() -> None:
    depth = 200_000
    with pytest.raises((InvalidRequest, ParseError)):
        parse(b'{"jsonrpc":"2.0","id":1,"method":"m","params":' + b"[" * depth + b"]" * depth + b"}")


@pytest.mark.parametrize("params", [b"[]", b"1", b'"text"', b"null"])
def test_params_that_are_not_an_object_are_refused(params: bytes) -> None:
    message = parse(b'{"jsonrpc":"2.0","id":1,"method":"m","params":' + params + b"}")
    with pytest.raises(InvalidParams):
        fields(message.params)


def test_messages_are_what_json_rpc_says() -> None:
    assert json.loads(notification("a/b")) == {"jsonrpc": "2.0", "method": "a/b"}
    assert json.loads(response(b'"x"', b"{}")) == {"jsonrpc": "2.0", "id": "x", "result": {}}
    assert json.loads(failure(None, b'{"code":1}')) == {"jsonrpc": "2.0", "id": None, "error": {"code": 1}}


def test_an_error_of_ours_says_what_happened_and_what_to_do() -> None:
    error = DeadlineExceeded("too slow", hint="wait", server="time")
    assert json.loads(error_object(error)) == {
        "code": -31002,
        "message": "too slow",
        "data": {"code": "deadline-exceeded", "server": "time", "hint": "wait"},
    }


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (rb'"a\ud83d b"', "a\ufffd b"),
        (rb'"\udE00"', "\ufffd"),
        (rb'"\ud83d\ud83d\ude00"', "\ufffd\U0001f600"),
        (rb'"\ud83d\ude00"', "\U0001f600"),
        (rb'"\\ud83d"', "\\ud83d"),
        (rb'"\\\ud83d"', "\\\ufffd"),
    ],
)
def test_half_a_character_is_passed_on_as_what_it_is_shown_as(written: bytes, read: str) -> None:
    message = parse(b'{"jsonrpc":"2.0","id":1,"result":{"t":' + written + b"}}")
    assert json.loads(bytes(message.result)) == {"t": read}  # type: ignore[arg-type]  # there is a result
