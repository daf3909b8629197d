"""Results cross the eras with nothing added or lost but what the eras themselves define."""

import json
from typing import Any

import pytest

from toolgate.errors import EraMismatch
from toolgate.protocol.eras import SERVER_INFO, Era
from toolgate.protocol.results import adapt_error, adapt_result

INFO = b'{"name":"s","version":"1"}'


def cross(result: Any, link: Era, client: Era, method: str = "tools/call") -> Any:
    body = result if isinstance(result, bytes) else json.dumps(result).encode()
    return json.loads(adapt_result(body, method, link=link, client=client, server="s", server_info=INFO))


@pytest.mark.parametrize("era", list(Era))
def test_between_sides_of_one_era_not_a_byte_changes(era: Era) -> None:
    body = b'{ "resultType":"odd" , "n": 1.00 }'
    assert adapt_result(body, "tools/call", link=era, client=era, server="s", server_info=INFO) is body


def test_a_modern_result_that_does_not_say_what_it_is_is_complete() -> None:
    assert cross({"content": [], "n": 1}, Era.MODERN, Era.MODERN) == {"content": [], "n": 1, "resultType": "complete"}


def test_a_legacy_result_becomes_a_complete_modern_one() -> None:
    assert cross({"content": [], "x": 1}, Era.LEGACY, Era.MODERN) == {
        "content": [],
        "x": 1,
        "resultType": "complete",
        "_meta": {SERVER_INFO: {"name": "s", "version": "1"}},
    }


def test_a_legacy_read_is_stale_at_once_and_private() -> None:
    crossed = cross({"contents": []}, Era.LEGACY, Era.MODERN, "resources/read")
    assert (crossed["ttlMs"], crossed["cacheScope"]) == (0, "private")


def test_what_a_legacy_server_says_already_is_left_alone() -> None:
    crossed = cross({"ttlMs": 5, "_meta": {SERVER_INFO: 1, "a/b": 2}}, Era.LEGACY, Era.MODERN, "resources/read")
    assert crossed["ttlMs"] == 5
    assert crossed["_meta"] == {SERVER_INFO: 1, "a/b": 2}


def test_a_modern_result_loses_only_what_legacy_does_not_know() -> None:
    result = {"resultType": "complete", "ttlMs": 1, "cacheScope": "public", "content": [], "future": {"a": 1}}
    assert cross(result, Era.MODERN, Era.LEGACY) == {"content": [], "future": {"a": 1}}


@pytest.mark.parametrize("kind", ["input_required", "task"])
def test_a_modern_result_without_a_legacy_word_is_a_clear_error(kind: str) -> None:
    with pytest.raises(EraMismatch, match=kind):
        cross({"resultType": kind, "inputRequests": {}}, Era.MODERN, Era.LEGACY)


def test_an_unknown_resource_is_spelt_as_the_modern_era_does() -> None:
    error = b'{"code":-32002,"message":"gone","data":{"uri":"a:b"}}'
    crossed = json.loads(adapt_error(error, link=Era.LEGACY, client=Era.MODERN))
    assert crossed == {"code": -32602, "message": "gone", "data": {"uri": "a:b"}}
    assert adapt_error(error, link=Era.LEGACY, client=Era.LEGACY) is error


def test_a_custom_error_code_passes_with_its_data() -> None:
    error = b'{"code":4711,"message":"m","data":[1,2]}'
    assert adapt_error(error, link=Era.LEGACY, client=Era.MODERN) is error
