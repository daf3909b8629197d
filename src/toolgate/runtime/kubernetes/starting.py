"""From a pod that was made to a container that runs, or to why it does not."""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Final

from aiohttp import ClientWebSocketResponse

from toolgate.errors import StartFailed
from toolgate.runtime.kubernetes.api import Api
from toolgate.runtime.kubernetes.followed import Followed
from toolgate.runtime.kubernetes.manifest import CONTAINER
from toolgate.runtime.kubernetes.refusals import Refused, Unreachable
from toolgate.runtime.kubernetes.running import Words, spoken
from toolgate.runtime.kubernetes.state import Ended, Failed, State, Waiting, state_of

__all__ = ["Patience", "attached", "begun"]

_ASKED: Final = 2.0  # seconds for the events, which only make an error better
_ATTEMPTS: Final = 5
_PAUSE: Final = 0.2  # seconds, doubled each time
_REMOVED: Final = Failed("its pod was removed by somebody else")


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: until a node has room for a pod, and from then until its image is there and its container runs."""

    placed: float = 120.0
    fetched: float = 300.0


async def begun(api: Api, pod: str, followed: Followed, patience: Patience, words: Words) -> None:
    """Raises `StartFailed`."""
    try:
        async with asyncio.timeout(patience.placed) as limit:
            waits = _Waits(limit, patience)
            state = await followed.until(waits.over)
    except TimeoutError:
        reason = waits.reason or await _warning(api, pod) or "nothing was said about why"
        late = (
            f"did not start within {patience.fetched:g} s"
            if waits.placed
            else f"found no node within {patience.placed:g} s"
        )
        raise StartFailed(f"its pod {late}: {reason}", hint=f"kubectl --namespace {api.namespace} get events") from None
    if isinstance(state, Failed):
        raise StartFailed(_with(waits.tried, state.reason), hint=state.hint)
    if isinstance(state, Ended):
        raise await _ended(api, pod, state, words)


async def attached(api: Api, pod: str, followed: Followed, words: Words) -> ClientWebSocketResponse:
    """Raises `StartFailed`, `Refused` and `Unreachable`."""
    pause = _PAUSE
    for attempt in range(_ATTEMPTS):
        try:
            return await api.attach(pod, CONTAINER)
        except (Refused, Unreachable) as error:
            if attempt == _ATTEMPTS - 1 or (isinstance(error, Refused) and error.code in {401, 403}):
                raise
        # It may just have ended; or its node has not caught up yet.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                state = await followed.until(_ends)
                raise await _ended(api, pod, state, words)
        pause *= 2
    raise AssertionError  # pragma: no cover  # the last attempt returns or raises


class _Waits:
    """Keeps what was said last. An image that cannot be fetched is explained at the first attempt alone."""

    def __init__(self, limit: asyncio.Timeout, patience: Patience) -> None:
        self._limit = limit
        self._patience = patience
        self.placed = False
        self.reason = ""
        self.tried = ""

    def over(self, followed: Followed) -> State | None:
        state = _REMOVED if followed.gone else state_of(followed.pod)
        if not isinstance(state, Waiting):
            return state
        if not self.placed and (followed.pod.get("spec") or {}).get("nodeName"):
            self.placed, self.reason = True, ""
            self._limit.reschedule(asyncio.get_running_loop().time() + self._patience.fetched)
        self.reason = state.reason or self.reason
        self.tried = state.reason if state.tried else self.tried
        return None


def _ends(followed: Followed) -> Ended | None:
    state = state_of(followed.pod)
    return state if isinstance(state, Ended) else None


async def _ended(api: Api, pod: str, state: Ended, words: Words) -> StartFailed:
    await spoken(api, pod, words.stderr)
    last = words.stderr.last()
    return StartFailed(f"{state.reason}{': ' if last else ''}{last}", hint="run its image by hand to see why")


async def _warning(api: Api, pod: str) -> str:
    """The last that the cluster's own parts said of it."""
    with contextlib.suppress(Refused, Unreachable):
        selector = f"involvedObject.name={pod},type=Warning"
        events = await api.ask("GET", "events", fieldSelector=selector, seconds=_ASKED)
        for event in reversed(events.get("items") or []):
            return f"{event.get('reason', '')}: {event.get('message', '')}"
    return ""


def _with(tried: str, reason: str) -> str:
    return f"{reason} ({tried})" if tried and tried not in reason else reason
