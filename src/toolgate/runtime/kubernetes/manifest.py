"""The objects that a server becomes: a pod, and a secret with what it is given."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from toolgate.runtime.base import Launch, Redact
from toolgate.runtime.container_options import Image
from toolgate.runtime.kubernetes.api import Json

__all__ = ["CONTAINER", "GATEWAY", "INSTANCE", "NETWORK", "OWNER", "SERVER", "Named", "claim_of", "pod_of", "secret_of"]

CONTAINER: Final = "server"
GATEWAY: Final = "toolgate.gateway"
INSTANCE: Final = "toolgate.instance"
SERVER: Final = "toolgate.server"
OWNER: Final = "toolgate.owner"
NETWORK: Final = "toolgate.network"

_HOME: Final = "/home/mcp"
_TMP: Final = "/tmp"  # noqa: S108  # the pod's own
_ARGUMENT: Final = "TOOLGATE_ARGUMENT_"
_UIDS: Final = range(10_000, 60_000)  # above what images use, within what a node maps
_LEAVES: Final = 5  # seconds that it has where others than the gateway end it: a node that is drained
_DISK: Final = 2**30
"""Bytes of what is kept of its output on the node. Nodes rotate it, and evict what is over this at once."""
_KEPT: Final = 2**30  # bytes of a home that survives
_ASKED: Final = 10  # one part of so much is asked for, since a server mostly waits; the limit is what it may have
_LABEL: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_ARCHITECTURE: Final = re.compile(r"linux/([a-z0-9]+)")


@dataclass(frozen=True, slots=True)
class Named:
    """What the objects of one start are called, and by which labels they are found. `network` is that of a policy."""

    pod: str
    gateway: str
    instance: str
    server: str
    owner: str
    network: str

    @property
    def labels(self) -> dict[str, str]:
        return {
            "app.kubernetes.io/managed-by": "toolgate",
            GATEWAY: self.gateway,
            INSTANCE: self.instance,
            SERVER: self.server if _LABEL.fullmatch(self.server) else _digest(self.server),
            OWNER: _digest(self.owner),  # a name of a person or team is nobody's business
            NETWORK: self.network,
        }


def secret_of(named: Named, image: Image, redact: Redact) -> Json:
    """Its values under names of ours, since those of variables are not all names of keys. Arguments that hold a secret
    are among them: whoever may look at pods may not look at secrets for that."""
    values = {f"variable-{at}": value for at, value in enumerate(image.environment.values())}
    values |= {f"argument-{at}": arg for at, arg in enumerate(image.args) if redact(arg) != arg}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": named.pod, "labels": named.labels},
        "immutable": True,
        "stringData": values,
    }


def pod_of(named: Named, launch: Launch, image: Image, redact: Redact, claim: str = "") -> Json:
    """Within the restricted Pod Security Standard. `claim` is that of a home that survives."""
    uid = _uid(launch.owner)
    secret = [at for at, arg in enumerate(image.args) if redact(arg) != arg]
    profile = launch.profile
    container: Json = {
        "name": CONTAINER,
        "image": image.name,
        "imagePullPolicy": "IfNotPresent",
        "args": [f"$({_ARGUMENT}{at})" if at in secret else _literal(arg) for at, arg in enumerate(image.args)],
        "env": [*_variables(named, image, secret), {"name": "HOME", "value": _HOME}],
        "stdin": True,
        # Its input ends with the first attachment: one that heeds this ends when its gateway dies.
        "stdinOnce": True,
        "resources": _resources(profile.memory, profile.cpus),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "privileged": False,
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "tmp", "mountPath": _TMP}, {"name": "home", "mountPath": _HOME}],
    }
    container |= {"command": [_literal(image.entrypoint)]} if image.entrypoint else {}
    container |= {"workingDir": image.workdir} if image.workdir else {}
    # In memory, since only there a node holds it to its size at once; elsewhere it is evicted after a while.
    memory: Json = {"emptyDir": {"medium": "Memory", "sizeLimit": str(profile.tmp)}}
    home = {"persistentVolumeClaim": {"claimName": claim}} if claim else memory
    spec: Json = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": _LEAVES,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        # Somebody else is the first process then: the server would ignore SIGTERM as such, and reap nobody.
        "shareProcessNamespace": True,
        "hostname": "mcp",
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": uid,
            "runAsGroup": uid,
            "fsGroup": uid,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "tmp", **memory}, {"name": "home", **home}],
    }
    if architecture := _ARCHITECTURE.match(image.platform):
        spec["nodeSelector"] = {"kubernetes.io/arch": architecture[1]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": named.pod, "labels": named.labels}, "spec": spec}


def claim_of(named: Named) -> Json:
    """The home of one server for one owner, which survives."""
    home = _digest(f"{named.server}/{named.owner}")
    labels = {name: value for name, value in named.labels.items() if name not in {INSTANCE, NETWORK}}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": f"toolgate-home-{home}", "labels": labels},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": str(_KEPT)}}},
    }


def _variables(named: Named, image: Image, secret: list[int]) -> list[Json]:
    names = {name: f"variable-{at}" for at, name in enumerate(image.environment) if name != "HOME"}
    names |= {f"{_ARGUMENT}{at}": f"argument-{at}" for at in secret}
    return [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": named.pod, "key": key}}} for name, key in names.items()
    ]


def _resources(memory: int, cpus: float) -> Mapping[str, Any]:
    milli = max(1, round(cpus * 1000))
    return {
        "limits": {"memory": str(memory), "cpu": f"{milli}m", "ephemeral-storage": str(_DISK)},
        "requests": {
            "memory": str(memory // _ASKED),
            "cpu": f"{max(1, milli // _ASKED)}m",
            "ephemeral-storage": str(_DISK // _ASKED),
        },
    }


def _literal(text: str) -> str:
    """The kubelet puts variables into commands and arguments, and takes a doubled sign for one."""
    return text.replace("$", "$$")


def _uid(owner: str) -> int:
    return _UIDS[int.from_bytes(hashlib.sha256(owner.encode()).digest()[:8], "big") % len(_UIDS)]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
