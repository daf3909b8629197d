"""That this gateway lives, told to the others by a lease; and the end of what those left that no longer do."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from toolgate.runtime.kubernetes.api import MERGE, Api, Json
from toolgate.runtime.kubernetes.manifest import GATEWAY, INSTANCE
from toolgate.runtime.kubernetes.refusals import Refused, Unreachable

__all__ = ["Lease"]

_LEASES: Final = "coordination.k8s.io/v1:leases"
_DURATION: Final = 60  # seconds
_RENEWED: Final = 20.0
_DOUBT: Final = timedelta(seconds=_DURATION)  # clocks of gateways differ, and an API server may be away for a while
_KINDS: Final = ("pods", "secrets")
_ASKED: Final = 10.0

_log = logging.getLogger(__name__)


class Lease:
    """Held from `hold` to `release`, and renewed in between. `instance` names one start of one gateway; `gateway` is
    its name over all its starts, of which `ended` (which may block) says whether one is over for sure. `ours` says
    whether a pod of this instance is still wanted."""

    def __init__(
        self, api: Api, gateway: str, instance: str, ours: Callable[[str], bool], ended: Callable[[str], bool]
    ) -> None:
        self._api = api
        self._gateway = gateway
        self._instance = instance
        self._ours = ours
        self._ended = ended
        self._keeping: asyncio.Task[None] | None = None

    async def hold(self) -> None:
        """Before the first pod, since one without a lease is a left-over. Raises `Refused` and `Unreachable`."""
        if self._keeping is None or self._keeping.done():
            await self._create()
            self._keeping = asyncio.create_task(self._keep(), name="keep a lease")

    async def release(self) -> None:
        if self._keeping is None:
            return
        self._keeping.cancel()
        await asyncio.gather(self._keeping, return_exceptions=True)
        with contextlib.suppress(Refused, Unreachable):
            await self._end(self._instance)

    async def sweep(self) -> int:
        """Remove the pods and secrets of instances that ended or whose lease ran out, and pods of this one that nobody
        wants any more. The answer is how many pods there were. Raises `Refused` and `Unreachable`."""
        pods = (await self._api.ask("GET", "pods", labelSelector=INSTANCE, seconds=_ASKED)).get("items") or []
        leases = (await self._api.ask("GET", _LEASES, labelSelector=INSTANCE, seconds=_ASKED)).get("items") or []
        living = {_label(lease) for lease in leases if _lives(lease)} | {self._instance}
        earlier = {_label(each) for each in (*pods, *leases) if _label(each, GATEWAY) == self._gateway}
        living -= {each for each in earlier - {self._instance} if await asyncio.to_thread(self._ended, each)}
        for instance in {_label(each) for each in (*pods, *leases)} - living:
            await self._end(instance)
        left = [pod["metadata"]["name"] for pod in pods if _label(pod) not in living or self._is_left(pod)]
        for pod in pods:
            if self._is_left(pod):
                with contextlib.suppress(Refused):
                    await self._api.ask("DELETE", f"pods/{pod['metadata']['name']}", {"gracePeriodSeconds": 0})
        if left:
            _log.info("%d pods that a gateway had left were removed", len(left))
        return len(left)

    def _is_left(self, pod: Json) -> bool:
        return _label(pod) == self._instance and not self._ours(pod["metadata"]["name"])

    async def _end(self, instance: str) -> None:
        """Its lease at last, so that whatever fails is tried again."""
        for kind in _KINDS:
            await self._api.ask("DELETE", kind, labelSelector=f"{INSTANCE}={instance}", gracePeriodSeconds="0")
        try:
            await self._api.ask("DELETE", f"{_LEASES}/{_name(instance)}")
        except Refused as error:
            if error.code != 404:
                raise

    async def _keep(self) -> None:
        while True:
            for turn in (self.sweep, self._renewed):
                try:
                    await turn()
                except (Refused, Unreachable) as error:
                    _log.warning("the pods of this gateway could not be looked after: %s", error)

    async def _renewed(self) -> None:
        await asyncio.sleep(_RENEWED)
        await self.renew()

    async def renew(self) -> None:
        """Made anew where somebody removed it. Raises `Refused` and `Unreachable`."""
        try:
            renewed = {"spec": {"renewTime": _now()}}
            await self._api.ask("PATCH", f"{_LEASES}/{_name(self._instance)}", renewed, kind=MERGE)
        except Refused as error:
            if error.code != 404:
                raise
            await self._create()

    async def _create(self) -> None:
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": _name(self._instance),
                "labels": {
                    "app.kubernetes.io/managed-by": "toolgate",
                    GATEWAY: self._gateway,
                    INSTANCE: self._instance,
                },
            },
            "spec": {"holderIdentity": self._gateway, "leaseDurationSeconds": _DURATION, "renewTime": _now()},
        }
        with _there_already():
            await self._api.ask("POST", _LEASES, lease)


@contextlib.contextmanager
def _there_already() -> Iterator[None]:
    """An answer that was lost is asked for again, and then it is there."""
    try:
        yield
    except Refused as error:
        if error.reason != "AlreadyExists":
            raise


def _lives(lease: Json) -> bool:
    spec: dict[str, Any] = lease.get("spec") or {}
    try:
        renewed = datetime.fromisoformat(str(spec.get("renewTime")))
    except ValueError:
        return False
    return datetime.now(UTC) < renewed + timedelta(seconds=spec.get("leaseDurationSeconds") or _DURATION) + _DOUBT


def _label(thing: Json, name: str = INSTANCE) -> str:
    return str((thing["metadata"].get("labels") or {}).get(name, ""))


def _name(instance: str) -> str:
    return f"toolgate-{instance}"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
