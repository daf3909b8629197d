"""Servers in pods: the `docker run` of a definition becomes a pod of a Kubernetes cluster, with walls around it."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from toolgate.errors import StartFailed
from toolgate.runtime.base import Launch, Output, Redact, Running
from toolgate.runtime.container_options import Image, image_of
from toolgate.runtime.e2b.holders import Holders
from toolgate.runtime.kubernetes.api import APPLY, MERGE, Api, Json
from toolgate.runtime.kubernetes.attachment import Attachment
from toolgate.runtime.kubernetes.cluster import found
from toolgate.runtime.kubernetes.examined import examined
from toolgate.runtime.kubernetes.followed import Followed, Pods
from toolgate.runtime.kubernetes.lease import Lease
from toolgate.runtime.kubernetes.manifest import INSTANCE, Named, claim_of, pod_of, secret_of
from toolgate.runtime.kubernetes.policy import Policy, policy_of
from toolgate.runtime.kubernetes.refusals import Refused, Unreachable, failed
from toolgate.runtime.kubernetes.running import PodRunning, Words, remove
from toolgate.runtime.kubernetes.starting import Patience, attached, begun
from toolgate.runtime.protections import Protections

__all__ = ["Kubernetes"]

_MADE: Final = 30.0  # seconds for each object
_CLOSED: Final = 5.0
_POLICIES: Final = "networking.k8s.io/v1:networkpolicies"


class Kubernetes:
    """A `runtime.protections.Sandbox` over one namespace of a cluster. `state` is a folder in which the gateway keeps
    its name, and a file that is locked as long as it lives: by that its next start knows what is left over. Gateways
    that cannot see it go by the lease of the start that made a pod."""

    name = "kubernetes"

    def __init__(
        self, state: Path, environment: Mapping[str, str] = os.environ, patience: Patience | None = None
    ) -> None:
        self._environment = environment
        self._patience = patience or Patience()
        self._holders = Holders(state)
        self._gateway = ""
        self._instance = secrets.token_hex(16)
        self._hold: int | None = None
        self._connecting = asyncio.Lock()
        self._api: Api | None = None
        self._stale = False
        self._pods: Pods
        self._lease: Lease
        self._preparing = asyncio.Lock()
        self._removing: set[asyncio.Task[None]] = set()

    async def __call__(self, name: str, launch: Launch, output: Output, *, limit: int, redact: Redact) -> Running:
        image = image_of(launch)
        if image is None:
            raise StartFailed(
                f"runtime {self.name} runs images, and its command is {launch.command}",
                hint="write: command: docker, args: [run, -i, --rm, IMAGE]; or choose another runtime",
            )
        _check(launch, image)
        policy = policy_of(launch.profile.network)
        api = await self._connected()
        pod = f"toolgate-{secrets.token_hex(8)}"
        named = Named(pod, self._gateway, self._instance, name, launch.owner, policy.label)
        words = Words(name, output, limit, redact)
        followed = self._pods.follow(pod)
        what = "what comes before its pod"
        try:
            await self._prepare(api, policy)
            what = "its pod"
            await self._make(api, named, launch, image, redact, followed)
            await begun(api, pod, followed, self._patience, words)
            socket_ = await attached(api, pod, followed, words)
        except BaseException as error:
            self._remove_later(api, pod)
            if isinstance(error, Refused | Unreachable):
                self._stale = self._stale or getattr(error, "code", 0) == 401
                raise failed(error, what) from None
            raise
        attachment = Attachment(socket_, words.lines.feed, words.stderr.feed)
        return PodRunning(api, pod, followed, attachment, words, lambda: self._pods.leave(pod))

    async def probe(self) -> Protections:
        return await examined(self._connected)

    async def sweep(self) -> int:
        """Remove what gateways that are gone have left; how many pods there were. It is done by itself at the first
        start of a server, and each 20 seconds after it. Nothing is asked where no server of this gateway ever ran in a
        pod. Raises `StartFailed`."""
        if not await asyncio.to_thread(self._holders.known):
            return 0
        await self._connected()
        try:
            return await self._lease.sweep()
        except (Refused, Unreachable) as error:
            raise failed(error, "the search for pods that were left") from None

    async def close(self) -> None:
        """Whatever is left of this start is removed."""
        api, self._api = self._api, None
        if api is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSED):
                await asyncio.gather(*self._removing, return_exceptions=True)
                await self._lease.release()
        await self._pods.close()
        await api.close()
        if self._hold is not None:
            await asyncio.to_thread(self._holders.let_go, self._instance, self._hold)
            self._hold = None

    async def _connected(self) -> Api:
        """Read anew after the credentials were refused: somebody may have written others. Raises `StartFailed`."""
        async with self._connecting:
            if self._api is None or self._stale:
                cluster = await asyncio.to_thread(found, self._environment)
                self._stale = False
                if self._api is not None:
                    self._api.become(cluster)
                    return self._api
                self._gateway = await asyncio.to_thread(self._holders.gateway)
                self._api = Api(cluster)
                self._pods = Pods(self._api, f"{INSTANCE}={self._instance}")
                self._lease = Lease(self._api, self._gateway, self._instance, self._pods.__contains__, self._is_over)
            return self._api

    def _is_over(self, instance: str) -> bool:
        """Whether an earlier start of this gateway has ended. Looks at files."""
        try:
            hold = self._holders.take(instance)
        except ValueError:  # a label that somebody else wrote
            return False
        if hold is not None:
            self._holders.let_go(instance, hold)
        return hold is not None

    async def _prepare(self, api: Api, policy: Policy) -> None:
        async with self._preparing:
            if self._hold is None:
                self._hold = await asyncio.to_thread(self._holders.take, self._instance)
            await self._lease.hold()
        # Each time, since without it a pod reaches everything, and anybody may have removed or changed it.
        query = {"fieldManager": "toolgate", "force": "true"}
        await api.ask("PATCH", f"{_POLICIES}/{policy.name}", policy.manifest, kind=APPLY, seconds=_MADE, **query)

    async def _make(
        self, api: Api, named: Named, launch: Launch, image: Image, redact: Redact, followed: Followed
    ) -> None:
        """The secret first, since a node that does not find it waits for long; it then is given to the pod, with which
        it goes."""
        claim = claim_of(named) if launch.profile.persistent else None
        if claim is not None:
            await _create(api, "persistentvolumeclaims", claim)
        secret = secret_of(named, image, redact)
        if secret["stringData"]:
            await _create(api, "secrets", secret)
        claimed = claim["metadata"]["name"] if claim is not None else ""
        pod = await _create(api, "pods", pod_of(named, launch, image, redact, claimed))
        if not followed.pod:
            followed.tell(pod)
        if secret["stringData"]:
            owner = {"apiVersion": "v1", "kind": "Pod", "name": named.pod, "uid": pod["metadata"]["uid"]}
            owned = {"metadata": {"ownerReferences": [owner]}}
            await api.ask("PATCH", f"secrets/{named.pod}", owned, kind=MERGE, seconds=_MADE)

    def _remove_later(self, api: Api, pod: str) -> None:
        """Also where nobody waits any more."""

        async def removed() -> None:
            await remove(api, pod, 0)
            # One that no pod owns yet.
            with contextlib.suppress(Refused, Unreachable):
                await api.ask("DELETE", f"secrets/{pod}", seconds=_CLOSED)
            self._pods.leave(pod)

        task = asyncio.create_task(removed(), name=f"remove pod {pod}")
        self._removing.add(task)
        task.add_done_callback(self._removing.discard)


def _check(launch: Launch, image: Image) -> None:
    seen = [mount.path for mount in launch.profile.mounts] + [volume.source for volume in image.volumes]
    if seen:
        raise StartFailed(
            f"a pod sees no files of this machine, and it is to see {seen[0]}",
            hint="leave its mounts out, or choose another runtime",
        )


async def _create(api: Api, kind: str, manifest: Json) -> Json:
    """One that is there already is what was asked for: the answer to the first attempt was lost, or it survives."""
    try:
        return await api.ask("POST", kind, manifest, seconds=_MADE, fieldValidation="Strict")
    except Refused as error:
        if error.reason != "AlreadyExists":
            raise
    return await api.ask("GET", f"{kind}/{manifest['metadata']['name']}") if kind == "pods" else {}
