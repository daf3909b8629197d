import asyncio
import socket
from collections.abc import Sequence
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolgate.model.addresses import refused_as
from toolgate.model.grant import Grant
from toolgate.runtime.egress.dialing import NotReached, Resolver, checked, reach

HOST = Grant.parse("api.example.com")


class Net:
    """`answers` are those of a resolver, `open_at` the addresses where somebody answers."""

    def __init__(self, *answers: Sequence[str], open_at: Sequence[str] = ()) -> None:
        self._answers = list(answers)
        self._open_at = open_at
        self.dialled: list[str] = []

    async def resolve(self, name: str) -> Sequence[str]:
        return self._answers.pop(0)

    async def dial(self, address: str, port: int) -> socket.socket:
        self.dialled.append(address)
        if address not in self._open_at:
            raise ConnectionRefusedError(111, "Connection refused")
        return socket.socket()

    async def reach(self, grant: Grant, name: str = "api.example.com", deadline: float = 5) -> None:
        (await reach(grant, name, 443, resolve=self.resolve, dial=self.dial, deadline=deadline)).close()


async def test_what_was_checked_is_what_is_connected_to() -> None:
    net = Net(["1.1.1.1"], ["127.0.0.1"], open_at=["1.1.1.1", "127.0.0.1"])
    await net.reach(HOST)
    assert net.dialled == ["1.1.1.1"]
    with pytest.raises(NotReached, match=r"127\.0\.0\.1 is not public but loopback; where a program on this"):
        await net.reach(HOST)
    assert net.dialled == ["1.1.1.1"]


async def test_of_several_addresses_only_the_public_ones_are_tried_in_their_order() -> None:
    net = Net(["10.0.0.1", "1.1.1.1", "::1", "2606:4700::1"], open_at=["2606:4700::1", "10.0.0.1", "::1"])
    await net.reach(HOST)
    assert net.dialled == ["1.1.1.1", "2606:4700::1"]


async def test_a_private_grant_reaches_private_addresses_but_no_worse_ones() -> None:
    grant = Grant.parse("private:db.corp")
    net = Net(["10.0.0.1"], ["127.0.0.1", "169.254.169.254", "100.100.100.200"], open_at=["10.0.0.1", "127.0.0.1"])
    await net.reach(grant, "db.corp")
    with pytest.raises(NotReached, match="loopback"):
        await net.reach(grant, "db.corp")
    assert net.dialled == ["10.0.0.1"]


async def test_a_name_in_a_private_network_says_how_it_is_allowed() -> None:
    with pytest.raises(NotReached, match=r"`network: \[private:api.example.com\]`"):
        await Net(["10.0.0.1"]).reach(HOST)


async def test_an_address_is_connected_to_without_asking_anyone() -> None:
    net = Net(open_at=["10.0.0.5"])
    await net.reach(Grant.parse("10.0.0.5:443"), "10.0.0.5")
    assert net.dialled == ["10.0.0.5"]


async def test_what_does_not_answer_is_told() -> None:
    with pytest.raises(NotReached, match=r"api\.example\.com:443 was not reached: Connection refused"):
        await Net(["1.1.1.1"]).reach(HOST)
    with pytest.raises(NotReached, match="it has no address"):
        await Net([]).reach(HOST)

    class Silent(Net):
        async def dial(self, address: str, port: int) -> socket.socket:
            await asyncio.Event().wait()
            raise AssertionError(address)

    with pytest.raises(NotReached, match=r"not reached within 0.05 s"):
        await Silent(["1.1.1.1", "1.1.1.2"]).reach(HOST, deadline=0.05)


async def test_the_machine_resolves_names() -> None:
    resolver = Resolver()
    assert set(await resolver("localhost")) <= {"127.0.0.1", "::1"}
    resolver.close()


@given(st.lists(st.ip_addresses().map(str), max_size=6), st.booleans())
def test_nothing_is_let_through_that_is_refused_by_itself(found: list[str], private: bool) -> None:
    try:
        allowed = checked("api.example.com", 443, found, private=private)
    except NotReached:
        return
    assert {refused_as(each) for each in allowed} <= ({"", "private"} if private else {""})
    assert set(allowed) <= set(map(ip_address, found))
