from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolgate.model.addresses import PRIVATE, refused_as


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "192.0.1.1", "100.128.0.1", "2606:4700:4700::1111"])
def test_a_public_address_is_one(address: str) -> None:
    assert refused_as(ip_address(address)) == ""


@pytest.mark.parametrize(
    ("kind", "addresses"),
    [
        ("unspecified", "0.0.0.0 0.1.2.3"),
        ("loopback", "127.0.0.1 127.255.255.254 ::1"),
        ("link-local", "169.254.0.1 fe80::1 fe80::1%eth0"),
        (PRIVATE, "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 fc00::1 fdff::1"),
        (PRIVATE, "192.0.2.1 198.18.0.1 203.0.113.80 2001:db8::1"),
        ("a cloud's metadata service", "169.254.169.254 100.100.100.200 168.63.129.16 192.0.0.192 fd00:ec2::254"),
        ("multicast", "224.0.0.1 239.255.255.255 ff02::1"),
        ("reserved", "255.255.255.255 240.0.0.1 192.88.99.1 :: ::7f00:1 fec0::1 4000::1"),
        (
            "an IPv4 address in disguise",
            "::ffff:127.0.0.1 ::ffff:1.1.1.1 ::ffff:0:1.1.1.1 64:ff9b::7f00:1 64:ff9b:1::1 2002:7f00:1:: 2001:0:1::1",
        ),
    ],
)
def test_what_is_not_public_says_what_it_is(kind: str, addresses: str) -> None:
    assert {address: refused_as(ip_address(address)) for address in addresses.split()} == dict.fromkeys(
        addresses.split(), kind
    )


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_what_is_let_through_is_public_for_everybody(address: IPv4Address | IPv6Address) -> None:
    if not refused_as(address):
        assert address.is_global
        assert not any((address.is_multicast, address.is_private, address.is_loopback, address.is_link_local))
        assert isinstance(address, IPv4Address) or not (address.ipv4_mapped or address.sixtofour or address.teredo)


@given(st.ip_addresses(v=4))
def test_no_disguise_makes_an_address_pass(address: IPv4Address) -> None:
    number = int(address)
    for prefix, shift in (("::", 0), ("::ffff:0:0", 0), ("64:ff9b::", 0), ("2002::", 80), ("2001::", 0)):
        assert refused_as(IPv6Address(int(IPv6Address(prefix)) | number << shift))
