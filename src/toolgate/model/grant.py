"""A host that a server may reach, as an operator writes it under `network:`.

    api.example.com         that host, at the ports 443 and 80
    api.example.com:8443    that host, at that port alone
    *.example.com           every name below example.com, not example.com itself; with a port likewise
    *                       every public address, at the ports 443 and 80 (`*:22` for others)
    10.0.0.5:8443           that IPv4 address, also where it is private
    127.0.0.1:5432          what listens at that port of this machine (the gateway's); `localhost:5432` is the same
    private:db.corp:5432    that name, also where it resolves to a private address; `private:*.corp` likewise

A name that was not granted with `private:` reaches public addresses only, whatever it resolves to. Loopback is reached
by its address and port alone, and link-local and metadata addresses by nothing. IPv6 addresses have to be given a name.
"""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from typing import Final

from toolgate.model.addresses import PRIVATE, refused_as
from toolgate.model.profile import ANYWHERE

__all__ = ["HTTP", "HTTPS", "RESOLVER", "USUAL", "Grant", "host_name"]

HTTP: Final = 80
HTTPS: Final = 443
RESOLVER: Final = 53
USUAL: Final = (HTTPS, HTTP)
"""The ports of an entry that names none."""
_PRIVATELY: Final = "private:"
_LONGEST: Final = 253
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True, slots=True)
class Grant:
    """`name` is a host's in lower case, `*.` and one, `*`, or an IPv4 address."""

    name: str
    ports: tuple[int, ...] = USUAL
    private: bool = False
    address: IPv4Address | None = None

    @classmethod
    def parse(cls, entry: str) -> "Grant":
        """One entry of `network:`. Raises ValueError with what is wrong with it, for a person."""
        text = entry.strip()
        private = text.startswith(_PRIVATELY) and not text.removeprefix(_PRIVATELY).isdigit()
        host, port = _split(text.removeprefix(_PRIVATELY) if private else text)
        ports = (port,) if port else USUAL
        if address := _literal(host):
            _check_literal(address, port, entry)
            return cls(str(address), ports, private=True, address=address)
        if host == ANYWHERE:
            if private:
                raise ValueError(f"{entry!r}: name the private hosts: `private:*.corp`, `private:db.corp:5432`")
            return cls(host, ports)
        wild, below = ("*.", host[2:]) if host.startswith("*.") else ("", host)
        name = host_name(below)
        if name is None:
            raise ValueError(
                f"{entry!r} is not a host: write api.example.com, *.example.com, host:8443 or 10.0.0.5:8443"
            )
        return cls(wild + name, ports, private)

    @property
    def exact(self) -> bool:
        return not self.name.startswith(ANYWHERE)

    def covers(self, name: str) -> bool:
        if self.name == ANYWHERE:
            return "." in name
        return name.endswith(self.name[1:]) if self.name.startswith(ANYWHERE) else name == self.name


def host_name(text: str) -> str | None:
    """A host's name as DNS and TLS write it: lower case, without the final dot; None where it is none, or a number."""
    if len(text) > _LONGEST:  # before the codec for other alphabets, whose work grows with the square
        return None
    name = text.removesuffix(".").lower()
    if not name.isascii():
        try:
            name = name.encode("idna").decode()
        except UnicodeError:
            return None
    labels = name.split(".")
    if len(name) > _LONGEST or not all(_LABEL.fullmatch(label) for label in labels) or _NUMBER.fullmatch(labels[-1]):
        return None
    return name


def _split(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon:
        return text, 0
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 2**16):
        raise ValueError(f"{text!r}: the port is a number from 1 to 65535")
    if int(port) == RESOLVER:
        raise ValueError(f"{text!r}: port {RESOLVER} is where the sandbox's own resolver answers")
    return host, int(port)


def _literal(host: str) -> IPv4Address | None:
    try:
        return IPv4Address("127.0.0.1" if host == "localhost" else host)
    except AddressValueError:
        return None


def _check_literal(address: IPv4Address, port: int, entry: str) -> None:
    kind = refused_as(address)
    if kind not in {"", PRIVATE, "loopback"}:
        raise ValueError(f"{entry!r} can not be reached: it is {kind}")
    if address.is_loopback and (address.packed[1] != 0 or not port):
        raise ValueError(f"{entry!r}: what runs on this machine is named with its port: 127.0.0.1:5432")
