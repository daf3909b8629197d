"""What a pod's status means for the server in it."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from toolgate.runtime.kubernetes.manifest import CONTAINER

__all__ = ["Ended", "Failed", "State", "Waiting", "Working", "state_of"]

_IMAGE: Final = frozenset({"ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"})
_TRIED: Final = "ErrImagePull"
_BROKEN: Final = frozenset({
    "CreateContainerConfigError", "CreateContainerError", "RunContainerError", "CrashLoopBackOff", "PreCreateHookError",
    "PostStartHookError",
})  # fmt: skip
_NOT_RUN: Final = frozenset({"StartError", "ContainerCannotRun"})
_SIGNALLED: Final = 128
_NAMES: Final = {number.value: number.name for number in signal.Signals}


@dataclass(frozen=True, slots=True)
class Waiting:
    """`reason` is what it waits for, where that is told; `tried` that its image could not be fetched, and is again."""

    reason: str = ""
    tried: bool = False


@dataclass(frozen=True, slots=True)
class Working:
    """Its process runs."""


@dataclass(frozen=True, slots=True)
class Ended:
    """`reason` is for a person: `exited with code 1`."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """It will not start without somebody doing something."""

    reason: str
    hint: str = ""


State = Waiting | Working | Ended | Failed


def state_of(pod: Mapping[str, Any]) -> State:
    status = pod.get("status") or {}
    statuses = status.get("containerStatuses") or ()
    own = next((each.get("state") or {} for each in statuses if each.get("name") == CONTAINER), {})
    if terminated := own.get("terminated"):
        return _terminated(terminated)
    if status.get("phase") == "Failed":  # without a container's word: evicted, refused by the node, preempted
        reason, message = status.get("reason") or "", status.get("message") or ""
        return Ended(f"its pod failed: {': '.join(filter(None, (reason, message))) or 'no reason was given'}")
    if "running" in own:
        return Working()
    return _waiting(own.get("waiting") or {}, status, str((pod.get("spec") or {}).get("nodeName") or ""))


def _waiting(waiting: Mapping[str, Any], status: Mapping[str, Any], node: str) -> State:
    reason, message = str(waiting.get("reason") or ""), str(waiting.get("message") or "")
    told = f"{reason}: {message}" if message else reason
    if reason in _IMAGE:
        return Failed(
            f"its image could not be fetched: {told}",
            hint="correct its name, or give the namespace's service account a pull secret",
        )
    if reason in _BROKEN:
        return Failed(f"its container could not be started: {told}")
    if reason == _TRIED:
        return Waiting(told, tried=True)
    if not reason and not node:
        for condition in status.get("conditions") or ():
            if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
                return Waiting(f"{condition.get('reason', '')}: {condition.get('message', '')}")
    return Waiting(told)


def _terminated(terminated: Mapping[str, Any]) -> Ended | Failed:
    code, reason = int(terminated.get("exitCode") or 0), terminated.get("reason")
    message = str(terminated.get("message") or "")
    if reason in _NOT_RUN:
        return Failed(f"its command could not be started: {message}", hint="correct the command in its arguments")
    if reason == "OOMKilled":
        return Ended("was killed: it used more than its `memory`")
    number = int(terminated.get("signal") or (code - _SIGNALLED if code > _SIGNALLED else 0))
    if number:
        return Ended(f"was killed by {_NAMES.get(number, f'signal {number}')}")
    return Ended(f"exited with code {code}")
