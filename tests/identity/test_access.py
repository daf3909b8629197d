import pytest

from toolgate.errors import ConfigError, Unauthenticated
from toolgate.identity.access import Access, allows_anonymous, check_listen, is_loopback
from toolgate.model.principal import ANYBODY, LOCAL, Principal

KEY = Principal("key:abc", "laptop")


def keys(token: bytes) -> Principal:
    if token == b"tg_right":
        return KEY
    raise Unauthenticated("unknown")


def test_no_header_is_this_machine_where_that_is_allowed() -> None:
    assert Access(keys, anonymous=True).principal(None) is ANYBODY
    with pytest.raises(Unauthenticated, match="asks for a key") as raised:
        Access(keys, anonymous=False).principal(None)
    assert "keys create" in raised.value.hint


@pytest.mark.parametrize("header", ["Bearer tg_right", "bearer tg_right", " BEARER   tg_right "])
def test_a_key_is_its_principal(header: str) -> None:
    assert Access(keys, anonymous=False).principal(header.encode()) is KEY


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic dXM=", "tg_right", "Bearer tg_wrong", "Bearer é"])
@pytest.mark.parametrize("anonymous", [True, False])
def test_a_wrong_key_is_told_even_where_none_is_needed(header: str, anonymous: bool) -> None:
    with pytest.raises(Unauthenticated):
        Access(keys, anonymous=anonymous, token="control").principal(header.encode())


def test_the_token_of_this_run_is_this_machine() -> None:
    assert Access(keys, anonymous=False, token="control").principal(b"Bearer control") is LOCAL


def test_an_empty_token_lets_nobody_in() -> None:
    with pytest.raises(Unauthenticated):
        Access(keys, anonymous=False, token="").principal(b"Bearer ")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "LOCALHOST.", "::ffff:127.0.0.1"]
)
def test_loopback_needs_no_key(host: str) -> None:
    assert is_loopback(host)
    assert allows_anonymous(host, "local")
    assert not allows_anonymous(host, "never")
    check_listen(host, "local", has_keys=False)


@pytest.mark.parametrize("host", [".".join("0000"), "::", "192.168.1.7", "gateway.example", "", "127.0.0.1.example"])
def test_any_other_address_needs_keys_and_lets_nobody_in_without(host: str) -> None:
    assert not allows_anonymous(host, "local")
    check_listen(host, "local", has_keys=True)
    with pytest.raises(ConfigError, match="other machines") as raised:
        check_listen(host, "local", has_keys=False)
    assert "keys create" in raised.value.hint
