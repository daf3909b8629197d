"""What an API server does not accept: what is not in its published schema, names and keys that are none, what is not
within the restricted Pod Security Standard, or over a quota; and who may do what, by a role."""

import json
import re
from pathlib import Path

from jsonschema_rs import ValidationError, validator_for
from ruamel.yaml import YAML

from tests.runtime.kubernetes.objects import Json

__all__ = ["rules", "unacceptable"]

_SCHEMA = json.loads(Path(__file__).with_name("openapi.json").read_text())
_KINDS = {
    kind: validator_for({"$ref": f"#/$defs/{name}", "$defs": _SCHEMA["$defs"]})
    for kind, name in _SCHEMA["kinds"].items()
}
QUOTA = 4 * 2**30
"""Bytes of memory that may be asked for at once."""
_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")

Wrong = tuple[int, str, str]


def rules(file: Path) -> set[tuple[str, str, str]]:
    """Verb, API group and resource of each thing that a role allows."""
    [role] = [each for each in YAML(typ="safe", pure=True).load_all(file.read_text()) if each["kind"] == "Role"]
    return {
        (verb, group, resource)
        for rule in role["rules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def unacceptable(kind: str, made: Json) -> Wrong | None:
    try:
        _KINDS[kind].validate(made)
    except ValidationError as error:
        return 400, "BadRequest", f"strict decoding error: {error.message}"
    name = made["metadata"]["name"]
    labels = made["metadata"].get("labels", {})
    if not _NAME.fullmatch(name) or len(name) > 63:
        return 422, "Invalid", f'{kind} "{name}" is invalid: metadata.name'
    if any(not _LABEL.fullmatch(value) or len(value) > 63 for value in labels.values()):
        return 422, "Invalid", f'{kind} "{name}" is invalid: metadata.labels'
    if kind == "secrets" and not all(_KEY.fullmatch(key) for key in made.get("stringData", ())):
        return 422, "Invalid", f'Secret "{name}" is invalid: data'
    return _of_pod(name, made["spec"]) if kind == "pods" else None


def _of_pod(name: str, spec: Json) -> Wrong | None:
    [container] = spec["containers"]
    for variable in container.get("env", ()):
        if not _VARIABLE.fullmatch(variable["name"]):
            return 422, "Invalid", f'Pod "{name}" is invalid: spec.containers[0].env: {variable["name"]!r}'
    if wrong := _violates(spec, container):
        return 403, "Forbidden", f'pods "{name}" is forbidden: violates PodSecurity "restricted:latest": {wrong}'
    asked = int(container["resources"]["requests"]["memory"])
    if asked > QUOTA:
        told = f"exceeded quota: servers, requested: requests.memory={asked}, used: 0, limited: {QUOTA}"
        return 403, "Forbidden", f'pods "{name}" is forbidden: {told}'
    return None


def _violates(spec: Json, container: Json) -> str:
    """Pod Security Standards, Restricted."""
    own, pods = container.get("securityContext", {}), spec.get("securityContext", {})
    whole = pods | own
    if own.get("allowPrivilegeEscalation") is not False:
        return "allowPrivilegeEscalation != false"
    if "ALL" not in own.get("capabilities", {}).get("drop", ()):
        return "unrestricted capabilities"
    if whole.get("runAsNonRoot") is not True or whole.get("runAsUser") == 0:
        return "runAsNonRoot != true"
    if whole.get("seccompProfile", {}).get("type") not in {"RuntimeDefault", "Localhost"}:
        return "seccompProfile"
    if any(volume.keys() - {"name", "emptyDir", "persistentVolumeClaim", "secret"} for volume in spec["volumes"]):
        return "restricted volume types"
    return ""
