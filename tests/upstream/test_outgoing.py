from typing import Any

import msgspec
import pytest

from tests.upstream.conftest import make_call
from toolgate.errors import InvalidParams
from toolgate.protocol.eras import CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL, PROTOCOL_VERSION, Era
from toolgate.upstream.outgoing import IDENTITY, call_params, own_params

ENVELOPE = {PROTOCOL_VERSION: "2026-07-28", CLIENT_INFO: {"name": "them"}, CLIENT_CAPABILITIES: {"sampling": {}}}


def sent(link: Era, **made: Any) -> Any:
    version = "2026-07-28" if link is Era.MODERN else "2025-11-25"
    return msgspec.json.decode(call_params(make_call("s", "theirs", **made), link, version, b"42"))


def test_the_exposed_name_becomes_the_servers_own() -> None:
    assert sent(Era.LEGACY)["name"] == "theirs"
    assert sent(Era.LEGACY, method="prompts/get", params={"name": "s__theirs"})["name"] == "theirs"
    assert sent(Era.LEGACY, method="resources/read", params={"uri": "toolgate://s/theirs"})["uri"] == "theirs"
    prompt = {"ref": {"type": "ref/prompt", "name": "s__theirs", "title": "T"}, "argument": {"name": "a"}}
    assert sent(Era.LEGACY, method="completion/complete", params=prompt)["ref"] == {
        "type": "ref/prompt", "name": "theirs", "title": "T",
    }  # fmt: skip
    template = {"ref": {"type": "ref/resource", "uri": "x://{y}"}}
    assert sent(Era.LEGACY, method="completion/complete", params=template)["ref"]["uri"] == "theirs"


def test_a_ref_that_is_no_object_is_refused() -> None:
    with pytest.raises(InvalidParams):
        sent(Era.LEGACY, method="completion/complete", params={"ref": 1})


def test_what_nobody_asked_to_change_passes_byte_by_byte() -> None:
    call = make_call("s", "theirs")
    call = call.with_(params={**call.params, "arguments": msgspec.Raw(b'{"n": 1e400, "n": 0.10}')})
    assert b'{"n": 1e400, "n": 0.10}' in call_params(call, Era.LEGACY, "2025-11-25", b"1")


def test_a_modern_clients_envelope_stays_with_a_modern_server() -> None:
    meta = {**ENVELOPE, "progressToken": "theirs", "other": 1}
    assert sent(Era.MODERN, era=Era.MODERN, meta=meta)["_meta"] == {**ENVELOPE, "progressToken": 42, "other": 1}


def test_a_legacy_clients_call_is_stamped_for_a_modern_server() -> None:
    assert sent(Era.MODERN, log_level="info", meta={"progressToken": 1})["_meta"] == {
        "progressToken": 42,
        PROTOCOL_VERSION: "2026-07-28",
        CLIENT_INFO: IDENTITY,
        CLIENT_CAPABILITIES: {},
        LOG_LEVEL: "info",
    }
    assert LOG_LEVEL not in sent(Era.MODERN)["_meta"]


def test_the_envelope_is_taken_off_for_a_legacy_server() -> None:
    assert "_meta" not in sent(Era.LEGACY, era=Era.MODERN, meta={**ENVELOPE, LOG_LEVEL: "info"})
    assert sent(Era.LEGACY, era=Era.MODERN, meta={**ENVELOPE, "traceparent": "00"})["_meta"] == {"traceparent": "00"}
    assert sent(Era.LEGACY, meta={})["_meta"] == {}


def test_no_progress_is_asked_for_where_the_client_asked_for_none() -> None:
    assert "_meta" not in sent(Era.LEGACY)


def test_requests_of_our_own_are_stamped_for_a_modern_server_only() -> None:
    assert own_params(None, Era.LEGACY, "2025-11-25") is None
    stamped = msgspec.json.decode(own_params(b'{"cursor":"1"}', Era.MODERN, "2026-07-28") or b"")
    assert stamped["cursor"] == "1"
    assert stamped["_meta"][CLIENT_CAPABILITIES] == {}
