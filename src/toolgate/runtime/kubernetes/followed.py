"""What the cluster says of pods, as it says it."""

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

from toolgate.runtime.kubernetes.api import Api, Json
from toolgate.runtime.kubernetes.refusals import Refused, Unreachable

__all__ = ["Followed", "Pods"]

_FIRST: Final = 0.2  # seconds until a watch that broke begins again; doubled each time
_LONGEST: Final = 10.0
_T = TypeVar("_T")

_log = logging.getLogger(__name__)


class Followed:
    """One pod. `pod` is its latest state, empty before the first; `gone` that there is none any more."""

    def __init__(self) -> None:
        self.pod: Json = {}
        self.gone = False
        self._looking: list[Callable[[], object]] = []

    def tell(self, pod: Json) -> None:
        self.pod = pod
        self._look()

    def tell_gone(self) -> None:
        self.gone = True
        self._look()

    async def until(self, look: Callable[["Followed"], _T | None]) -> _T:
        """Whatever `look` finds first. It sees each state, also one that lasts no longer than until the next."""
        found: asyncio.Future[_T] = asyncio.get_running_loop().create_future()

        def look_now() -> None:
            if not found.done() and (seen := look(self)) is not None:
                found.set_result(seen)

        self._looking.append(look_now)
        try:
            look_now()
            return await found
        finally:
            self._looking.remove(look_now)

    def _look(self) -> None:
        for look in tuple(self._looking):
            look()


class Pods:
    """One watch for all pods of a label, for as long as any is followed."""

    def __init__(self, api: Api, selector: str) -> None:
        self._api = api
        self._selector = selector
        self._followed: dict[str, Followed] = {}
        self._task: asyncio.Task[None] | None = None

    def __contains__(self, name: str) -> bool:
        return name in self._followed

    def __len__(self) -> int:
        return len(self._followed)

    def follow(self, name: str) -> Followed:
        """To be called before the pod is made, so that nothing of it is missed."""
        followed = self._followed[name] = Followed()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch(), name="watch pods")
        return followed

    def leave(self, name: str) -> None:
        self._followed.pop(name, None)
        if not self._followed and self._task is not None:
            self._task.cancel()
            self._task = None

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        """Listed anew after whatever went wrong: the API server was restarted, the version is too old (410), the link
        broke."""
        pause = _FIRST
        while True:
            try:
                version = await self._list()
                pause = _FIRST
                while True:
                    version = await self._events(version)
            except Refused as error:
                if error.code == 410:
                    continue
                _log.warning("pods cannot be watched: %s", error)
            except Unreachable as error:
                _log.info("pods cannot be watched: %s", error)
            await asyncio.sleep(pause * random.uniform(1, 1.5))  # noqa: S311  # not all at once
            pause = min(2 * pause, _LONGEST)

    async def _list(self) -> str:
        known = {name for name, followed in self._followed.items() if followed.pod}
        found = await self._api.ask("GET", "pods", labelSelector=self._selector)
        there = {pod["metadata"]["name"]: pod for pod in found.get("items") or ()}
        for name, pod in there.items():
            self._tell(name, pod)
        for name in known - there.keys():
            with suppress(KeyError):
                self._followed[name].tell_gone()
        return str((found.get("metadata") or {}).get("resourceVersion") or "0")

    async def _events(self, version: str) -> str:
        async for event in self._api.watch("pods", version, labelSelector=self._selector):
            pod = event["object"]
            version = pod["metadata"]["resourceVersion"]
            if event["type"] == "BOOKMARK":
                continue
            self._tell(pod["metadata"]["name"], pod)
            if event["type"] == "DELETED" and (followed := self._followed.get(pod["metadata"]["name"])):
                followed.tell_gone()
        return version

    def _tell(self, name: str, pod: Json) -> None:
        if followed := self._followed.get(name):
            followed.tell(pod)
