"""What a cluster gives, as far as it can be known without an image to run there."""

from collections.abc import Awaitable, Callable
from typing import Final

from toolgate.errors import StartFailed
from toolgate.model.profile import Profile, Wall
from toolgate.runtime.base import Launch
from toolgate.runtime.canaries import nothing
from toolgate.runtime.container_options import Image
from toolgate.runtime.kubernetes.api import Api, Json
from toolgate.runtime.kubernetes.manifest import Named, pod_of
from toolgate.runtime.kubernetes.policy import policy_of
from toolgate.runtime.kubernetes.refusals import Refused, Unreachable, failed
from toolgate.runtime.protections import Finding, Grade, Protections

__all__ = ["examined"]

_ASKED: Final = 10.0
_CANARY: Final = "toolgate-canary"
_KEPT: Final = "set on the pod, and kept by this cluster's admission; not tried from inside"
_FOUND: Final = {
    Wall.FILESYSTEM: Finding(Grade.PARTIAL, _KEPT),
    Wall.MEMORY: Finding(Grade.PARTIAL, _KEPT),
    Wall.CPU: Finding(Grade.PARTIAL, _KEPT),
    Wall.TEMPORARY: Finding(Grade.PARTIAL, _KEPT),
    Wall.SYSCALLS: Finding(Grade.PARTIAL, "the default filter of the container runtime; not tried from inside"),
    Wall.NETWORK: Finding(Grade.PARTIAL, "denied by a NetworkPolicy, which not every network plugin enforces"),
    Wall.EGRESS: Finding(Grade.PARTIAL, "public addresses and ports only: a NetworkPolicy knows no names"),
    Wall.PROCESSES: Finding(Grade.ABSENT, "a pod has no such limit; its node may have one (podPidsLimit)"),
    Wall.ORPHANS: Finding(
        Grade.PARTIAL,
        "all of a pod ends with it; one whose gateway was killed loses its input at once, and is removed by the next",
    ),
}


async def examined(connected: Callable[[], Awaitable[Api]]) -> Protections:
    """A pod is made as a dry run, with all that the cluster checks and changes. Never raises."""
    named = Named(_CANARY, _CANARY, _CANARY, _CANARY, "", policy_of(()).label)
    asked = pod_of(named, Launch("docker", profile=Profile()), Image("registry.k8s.io/pause"), str)
    try:
        api = await connected()
        admitted = await api.ask("POST", "pods", asked, seconds=_ASKED, dryRun="All", fieldValidation="Strict")
    except StartFailed as error:
        return nothing(error.message)
    except (Refused, Unreachable) as error:
        return nothing(failed(error, "a pod").message)
    if changed := _changed(asked["spec"], admitted["spec"]):
        return nothing(f"the cluster changes what is asked of it: {changed}")
    return _FOUND


def _changed(asked: Json, admitted: Json) -> str:
    """The first part of a pod that was taken away or replaced. What is added does no harm, but for what stands beside
    the server in its pod."""
    for part in ("securityContext", "automountServiceAccountToken"):
        if not _within(asked[part], admitted.get(part)):
            return part
    [own], containers = asked["containers"], admitted.get("containers") or []
    if len(containers) != 1 or admitted.get("initContainers"):
        return "other containers are put beside it"
    if not _within(own["securityContext"], containers[0].get("securityContext")):
        return "securityContext of the container"
    # Quantities come back in other words (`1Gi`), so that only their names are compared.
    if not own["resources"]["limits"].keys() <= ((containers[0].get("resources") or {}).get("limits") or {}).keys():
        return "limits"
    if any("hostPath" in volume for volume in admitted.get("volumes") or ()):
        return "a folder of its node is put into it"
    return "" if not any(admitted.get(f"host{part}") for part in ("Network", "PID", "IPC")) else "it has its node's own"


def _within(asked: object, admitted: object) -> bool:
    if isinstance(asked, dict):
        return isinstance(admitted, dict) and all(_within(value, admitted.get(name)) for name, value in asked.items())
    return asked == admitted
