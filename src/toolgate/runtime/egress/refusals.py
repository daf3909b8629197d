"""What a server is told that it may not do: a sentence for its log, once each, and not for ever."""

from collections.abc import Callable
from typing import Final

__all__ = ["Refusals", "Tell"]

Tell = Callable[[str], None]

_MOST: Final = 64
_LAST: Final = "more hosts were refused; what follows is not told any more"


class Refusals:
    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._told: set[str] = set()

    def unknown(self, host: str) -> None:
        self.say(f"{host} was not reached: this server is not allowed to. To allow it: `network: [{host}]`")

    def say(self, sentence: str) -> None:
        if sentence in self._told or len(self._told) > _MOST:
            return
        self._told.add(sentence)
        self._tell(sentence if len(self._told) <= _MOST else _LAST)
