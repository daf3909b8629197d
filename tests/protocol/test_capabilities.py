"""What a client declared, and what it may be asked."""

import pytest
from msgspec import Raw

from toolgate.errors import InvalidParams
from toolgate.protocol.capabilities import NONE, declared, may_ask


def test_capabilities_have_one_form_and_only_what_a_server_acts_on() -> None:
    assert declared(Raw(b'{"sampling":{"tools":{}}, "x":1,"roots":{}}')) == b'{"roots":{},"sampling":{"tools":{}}}'
    assert declared(Raw(b'{"roots":null}')) == declared(None) == NONE


def test_numbers_in_capabilities_keep_their_digits() -> None:
    raw = b'{"sampling":{"x":[1.10,1e400],"y":123456789012345678901234567890}}'
    assert declared(Raw(raw)) == raw
    assert may_ask(raw, "sampling/createMessage", None)


@pytest.mark.parametrize("raw", [b"1", b"[]", b"null", b'"x"'])
def test_capabilities_that_are_no_object_are_refused(raw: bytes) -> None:
    with pytest.raises(InvalidParams):
        declared(Raw(raw))


@pytest.mark.parametrize(
    ("capabilities", "method", "params", "allowed"),
    [
        (b"{}", "roots/list", None, False),
        (b'{"roots":{}}', "roots/list", None, True),
        (b'{"roots":{}}', "sampling/createMessage", b"{}", False),
        (b'{"elicitation":{}}', "elicitation/create", b'{"message":"m"}', True),
        (b'{"elicitation":{}}', "elicitation/create", b'{"mode":"url"}', False),
        (b'{"elicitation":{"url":{}}}', "elicitation/create", b'{"mode":"url"}', True),
        (b'{"elicitation":{"url":{}}}', "elicitation/create", b"{}", False),
        (b'{"elicitation":{"form":{},"url":{}}}', "elicitation/create", b'{"mode":"form"}', True),
        (b'{"elicitation":{}}', "elicitation/create", b'{"mode":5}', False),
        (b'{"experimental":{"x/y":{}}}', "x/y", None, False),
    ],
)
def test_a_client_is_asked_only_what_it_declared(
    capabilities: bytes, method: str, params: bytes | None, allowed: bool
) -> None:
    assert may_ask(capabilities, method, params) is allowed
