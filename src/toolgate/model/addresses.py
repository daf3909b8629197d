"""Which addresses a server may be connected to: those that are public, and nothing that only looks so.

Written out rather than taken from `ipaddress.is_global`, whose answers differ between releases of Python, and which
calls addresses public that carry another one inside (6to4, NAT64, IPv4-compatible). The tables are IANA's registries of
special purposes, and the addresses at which clouds answer with credentials.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

__all__ = ["METADATA", "PRIVATE", "SPECIAL", "refused_as"]

PRIVATE: Final = "private"
"""What `private:` in a grant allows."""

METADATA: Final = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254",
            "169.254.170.2",
            "100.100.100.200",
            "168.63.129.16",  # public by its number, answered by the host it is asked on
            "192.0.0.192",
            "fd00:ec2::254",
            "fd20:ce::254",
        ),
    )
)

SPECIAL: Final = tuple(
    (ip_network(network), kind)
    for kind, networks in {
        "unspecified": ("0.0.0.0/8",),
        "loopback": ("127.0.0.0/8", "::1/128"),
        "link-local": ("169.254.0.0/16", "fe80::/10"),
        # Those for documentation and for measurements are nobody's on the internet, and in use inside some networks.
        PRIVATE: (
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",
            "fc00::/7",
            "192.0.2.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "2001:db8::/32",
            "3fff::/20",
        ),
        "multicast": ("224.0.0.0/4", "ff00::/8"),
        "an IPv4 address in disguise": (
            "::ffff:0:0/96",
            "::ffff:0:0:0/96",
            "64:ff9b::/96",
            "64:ff9b:1::/48",
            "2002::/16",
            "2001::/32",
        ),
        "reserved": ("192.0.0.0/24", "192.88.99.0/24", "240.0.0.0/4", "2001::/23"),
    }.items()
    for network in networks
)
_PUBLIC6: Final = ip_network("2000::/3")


def refused_as(address: IPv4Address | IPv6Address) -> str:
    """What `address` is instead of public; empty where it is public."""
    if address in METADATA:
        return "a cloud's metadata service"
    for network, kind in SPECIAL:
        if address.version == network.version and address in network:
            return kind
    if isinstance(address, IPv6Address) and (address not in _PUBLIC6 or address.scope_id is not None):
        return "reserved"
    return ""
