"""What the API server answers that is no success, and what it means to a person."""

import re
from collections.abc import Mapping
from typing import Any, Final

from toolgate.errors import StartFailed

__all__ = ["Refused", "Unreachable", "failed"]

_SHOWN: Final = 600  # characters of what the API server says
_ROLE: Final = "give the gateway's service account the Role in deploy/kubernetes/runner-role.yaml"
_QUOTA: Final = re.compile(r"exceeded quota: (.*)", re.DOTALL)
_STANDARD: Final = re.compile(r"violates PodSecurity (.*)", re.DOTALL)


class Refused(Exception):
    """A `Status` (API conventions, Response Status Kind). `reason` is for programs: `AlreadyExists`, `Expired`; `wait`
    are seconds after which it may be asked again, 0 where nothing was said."""

    def __init__(self, code: int, reason: str = "", message: str = "", wait: float = 0.0) -> None:
        super().__init__(message or f"it answered {code}")
        self.code, self.reason, self.message, self.wait = code, reason, message, wait

    @classmethod
    def of(cls, code: int, status: Mapping[str, Any], retry_after: str = "") -> "Refused":
        details = status.get("details") or {}
        wait = retry_after if retry_after.isdigit() else details.get("retryAfterSeconds") or 0
        return cls(code, str(status.get("reason") or ""), str(status.get("message") or "")[:_SHOWN], float(wait))


class Unreachable(Exception):
    """No answer came."""


def failed(error: Refused | Unreachable, what: str) -> StartFailed:
    """`what` was asked for: `its pod`."""
    if isinstance(error, Unreachable):
        return StartFailed(
            f"the Kubernetes API server cannot be reached: {error}", hint="is the cluster up, and KUBECONFIG right?"
        )
    if error.code == 401:
        return StartFailed(
            "the Kubernetes API server does not accept the gateway's credentials",
            hint="renew the token or the client certificate of its kubeconfig file",
        )
    if quota := _QUOTA.search(error.message):
        return StartFailed(
            f"the namespace has no room for {what}: exceeded quota: {quota[1]}",
            hint="raise the ResourceQuota, or lower `memory` and `cpus` of its `sandbox`",
        )
    if standard := _STANDARD.search(error.message):
        return StartFailed(f"the namespace does not take {what}: PodSecurity {standard[1]}")
    if error.code == 403:
        hint = _ROLE if " cannot " in error.message else ""
        return StartFailed(f"the cluster refuses {what}: {error}", hint=hint)
    if error.code == 404:
        return StartFailed(
            f"the cluster has no place for {what}: {error}",
            hint="create the namespace, or name another in the kubeconfig",
        )
    return StartFailed(f"the cluster does not take {what}: {error}")
