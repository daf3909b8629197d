"""The addresses that stand for hosts inside a sandbox."""

from collections import OrderedDict
from collections.abc import Iterable
from ipaddress import IPv4Address
from itertools import count
from typing import Final

__all__ = ["Names"]

_FIRST: Final = int(IPv4Address("127.1.0.1"))
_LAST: Final = int(IPv4Address("127.254.255.254"))


class Names:
    """Each name has an address of its own out of 127.1.0.1 to 127.254.255.254.

    The names given at the start stay. Of those that are asked for later `most` are kept, the longest unused makes room;
    its address is not given to another name before all others were, so a connection to a forgotten one leads nowhere.
    """

    def __init__(self, fixed: Iterable[str], most: int) -> None:
        self._most = most
        self._next = count()
        self._fixed = {name: self._unused() for name in fixed}
        self._asked: OrderedDict[str, str] = OrderedDict()
        self._names = {address: name for name, address in self._fixed.items()}

    def fixed(self) -> Iterable[tuple[str, str]]:
        return self._fixed.items()

    def address(self, name: str) -> str:
        """That of `name`, which gets one if it has none."""
        if address := self._fixed.get(name):
            return address
        if name in self._asked:
            self._asked.move_to_end(name)
            return self._asked[name]
        if len(self._asked) >= self._most:
            _, forgotten = self._asked.popitem(last=False)
            del self._names[forgotten]
        address = self._asked[name] = self._unused()
        self._names[address] = name
        return address

    def name(self, address: str) -> str | None:
        name = self._names.get(address)
        if name is not None and name in self._asked:
            self._asked.move_to_end(name)
        return name

    def _unused(self) -> str:
        return str(IPv4Address(_FIRST + next(self._next) % (_LAST - _FIRST + 1)))
