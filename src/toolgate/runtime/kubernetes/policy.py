"""What pods may reach, as far as a NetworkPolicy can say it: addresses and ports, not names."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Any, Final

from toolgate.errors import StartFailed
from toolgate.model.addresses import METADATA, SPECIAL
from toolgate.model.grant import Grant
from toolgate.runtime.kubernetes.api import Json
from toolgate.runtime.kubernetes.manifest import NETWORK

__all__ = ["Policy", "policy_of"]

_NONE: Final = "none"


@dataclass(frozen=True, slots=True)
class Policy:
    """`label` is the value by which pods are chosen. Pods of one network share a policy."""

    label: str
    egress: list[Json]

    @property
    def name(self) -> str:
        return f"toolgate-{self.label}"

    @property
    def manifest(self) -> Json:
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": self.name, "labels": {"app.kubernetes.io/managed-by": "toolgate"}},
            "spec": {
                "podSelector": {"matchLabels": {NETWORK: self.label}},
                "policyTypes": ["Ingress", "Egress"],
                "egress": self.egress,
            },
        }


def policy_of(network: Sequence[str]) -> Policy:
    """Hosts by name become all public addresses at their ports: whoever starts a server by names has accepted that
    egress is not enforced. Raises `StartFailed` for what no policy can give."""
    if not network:
        return Policy(_NONE, [])
    rules: list[Json] = [_RESOLVER]
    for grant in map(Grant.parse, network):
        ports = [{"protocol": "TCP", "port": port} for port in grant.ports]
        if grant.address is None and grant.private:
            raise StartFailed(
                f"a pod cannot be let to {grant.name}: a network policy knows no private host by its name",
                hint="write its address: network: [10.0.0.5:5432]",
            )
        if grant.address is not None and grant.address.is_loopback:
            raise StartFailed(f"a pod cannot reach {grant.address}: it runs elsewhere than the gateway")
        to = [{"ipBlock": {"cidr": f"{grant.address}/32"}}] if grant.address is not None else _PUBLIC
        rules.append({"to": to, "ports": ports})
    told = json.dumps(rules, sort_keys=True).encode()
    return Policy(hashlib.sha256(told).hexdigest()[:16], rules)


def _public(everything: str, version: int) -> Json:
    """Without what `model.addresses` calls otherwise."""
    kind: Any = IPv4Network if version == 4 else IPv6Network  # `collapse_addresses` takes one kind, and tells so
    besides = [network for network, _ in SPECIAL] + [ip_network(str(address)) for address in METADATA]
    outer = collapse_addresses([kind(str(network)) for network in besides if network.version == version])
    within = [str(network) for network in outer if network.subnet_of(kind(everything))]
    return {"ipBlock": {"cidr": everything, "except": within}}


_PUBLIC: Final = [_public("0.0.0.0/0", 4), _public("2000::/3", 6)]
_RESOLVER: Final[Json] = {
    "to": [
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        }
    ],
    "ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")],
}
