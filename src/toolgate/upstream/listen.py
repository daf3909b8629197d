"""Hear of changed lists: a GET stream (legacy) or `subscriptions/listen` (modern), kept open beside the calls."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

from toolgate.errors import UpstreamError
from toolgate.model.tool import Kind
from toolgate.upstream.backoff import Backoff
from toolgate.upstream.endpoint import Unreachable
from toolgate.upstream.relay import News

__all__ = ["can_subscribe", "filter_of", "keep_listening", "kinds_announced"]

_STEADY: Final = 30.0  # seconds after which a stream that ends has proved itself

_FILTERS: Final = {
    "tools": ("toolsListChanged", frozenset({Kind.TOOLS})),
    "prompts": ("promptsListChanged", frozenset({Kind.PROMPTS})),
    "resources": ("resourcesListChanged", frozenset({Kind.RESOURCES, Kind.TEMPLATES})),
}


def filter_of(capabilities: Mapping[str, Any], uris: Iterable[str] = ()) -> dict[str, Any]:
    """The `notifications` of a `subscriptions/listen`: a server may refuse what it did not announce."""
    wanted: dict[str, Any] = {name: True for key, (name, _) in _FILTERS.items() if _announces(capabilities, key)}
    if listed := sorted(uris):
        wanted["resourceSubscriptions"] = listed
    return wanted


def can_subscribe(capabilities: Mapping[str, Any]) -> bool:
    """Whether the server tells of updates of single resources."""
    capability = capabilities.get("resources")
    return isinstance(capability, dict) and capability.get("subscribe") is True


def kinds_announced(capabilities: Mapping[str, Any]) -> frozenset[Kind]:
    """The lists whose changes the server says that it will tell of."""
    announced = (kinds for key, (_, kinds) in _FILTERS.items() if _announces(capabilities, key))
    return frozenset[Kind]().union(*announced)


async def keep_listening(
    listen_once: Callable[[], Awaitable[bool]],
    kinds: frozenset[Kind],
    news: News,
    lost: Callable[[UpstreamError], None],
) -> None:
    """Open the stream again and again. `listen_once` waits for its end; False says that none is offered.

    Nothing tells what changed while no stream was open, so `kinds` count as changed after each gap.
    """
    backoff = Backoff(first=1.0, steady=_STEADY)
    while True:
        opened = asyncio.get_running_loop().time()
        try:
            if not await listen_once():
                return
        except Unreachable as error:
            lost(error)
            return
        except UpstreamError:
            pass  # the stream broke, as streams do: it is opened again, and a call would report what is wrong
        await asyncio.sleep(backoff.next(asyncio.get_running_loop().time() - opened))
        news.changed(kinds)


def _announces(capabilities: Mapping[str, Any], key: str) -> bool:
    capability = capabilities.get(key)
    return isinstance(capability, dict) and capability.get("listChanged") is True
