from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolgate.model.grant import Grant, host_name


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("https://api.example.com", "the port is a number"),
        ("api.example.com/path", "is not a host"),
        ("api.example.com:0", "from 1 to 65535"),
        ("api.example.com:99999", "from 1 to 65535"),
        ("api.example.com:53", "the sandbox's own resolver"),
        ("private:*", "name the private hosts"),
        ("a.*.com", "is not a host"),
        ("*.*", "is not a host"),
        ("-a.example", "is not a host"),
        ("0x7f.1", "is not a host"),
        ("example.0x7f", "is not a host"),
        ("", "is not a host"),
        ("a" * 64 + ".example", "is not a host"),
        ("[::1]:443", "is not a host"),
        ("10.0.0.0/8", "is not a host"),
        ("127.0.0.1", "named with its port"),
        ("localhost", "named with its port"),
        ("127.1.0.1:80", "named with its port"),
        ("169.254.169.254", "metadata"),
        ("169.254.1.1:80", "link-local"),
        ("0.0.0.0:80", "unspecified"),
        ("224.0.0.1", "multicast"),
    ],
)
def test_what_is_no_host_says_why(entry: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Grant.parse(entry)


@given(st.text())
def test_whatever_is_written_is_a_grant_or_says_why_not(entry: str) -> None:
    with suppress(ValueError):
        grant = Grant.parse(entry)
        assert grant.ports
        assert grant.name == grant.name.lower()


@given(st.text(st.characters(codec="utf-8")))
def test_a_name_is_the_same_when_read_again(text: str) -> None:
    if name := host_name(text):
        assert host_name(name) == host_name(name + ".") == name
