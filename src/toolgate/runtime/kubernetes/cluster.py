"""Which cluster, as whom, and in which namespace: from a kubeconfig file, or from the pod that the gateway runs in."""

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from toolgate.errors import StartFailed
from toolgate.runtime.kubernetes.kubeconfig import read

__all__ = ["Cluster", "Token", "found"]

_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_FRESH: Final = 30.0  # seconds for which a token's file is not read again; the kubelet renews it long before its end


class Token:
    """What the gateway shows. One that stands in a file is renewed there by others, so it is read again and again."""

    def __init__(self, text: str = "", file: Path | None = None) -> None:
        self._text = text
        self._file = file
        self._until = 0.0

    async def current(self, *, refused: bool = False) -> str:
        """`refused` says that the last one was not accepted. Raises `StartFailed`."""
        if self._file is not None and (refused or time.monotonic() > self._until):
            try:
                self._text = (await asyncio.to_thread(self._file.read_text, encoding="utf-8")).strip()
            except (OSError, UnicodeDecodeError) as error:
                raise StartFailed(f"the token file {self._file} cannot be read: {type(error).__name__}") from None
            self._until = time.monotonic() + _FRESH
        return self._text

    @property
    def renews(self) -> bool:
        return self._file is not None

    def __repr__(self) -> str:
        return "Token(***)"


@dataclass(frozen=True, slots=True)
class Cluster:
    """`server` is an address without a slash at its end; `host` is the name in its certificate, where another."""

    server: str
    namespace: str = "default"
    token: Token = field(default_factory=Token)
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    host: str | None = None


def found(environment: Mapping[str, str], account: Path = _ACCOUNT) -> Cluster:
    """What `KUBECONFIG` names, else the cluster that the gateway runs in, else `~/.kube/config`. Reads files. Raises
    `StartFailed`, also where there is none of these."""
    if named := environment.get("KUBECONFIG"):
        return _of_files([Path(name).expanduser() for name in named.split(":") if name])
    host, port = (environment.get(f"KUBERNETES_SERVICE_{part}") for part in ("HOST", "PORT"))
    if host and port and (account / "token").exists():
        return _inside(host, port, account)
    usual = Path(environment.get("HOME", "~")).expanduser() / ".kube" / "config"
    if usual.exists():
        return _of_files([usual])
    raise StartFailed(
        "no Kubernetes cluster is configured",
        hint="name a kubeconfig file in KUBECONFIG, or run the gateway in a pod with a service account",
    )


def _inside(host: str, port: str, account: Path) -> Cluster:
    authority = account / "ca.crt"
    try:
        namespace = (account / "namespace").read_text(encoding="utf-8").strip()
        tls = ssl.create_default_context(cafile=str(authority))
    except (OSError, ssl.SSLError) as error:
        raise StartFailed(f"the service account in {account} cannot be used: {error}") from None
    shown = f"[{host}]" if ":" in host else host
    return Cluster(f"https://{shown}:{port}", namespace, Token(file=account / "token"), tls)


def _of_files(paths: list[Path]) -> Cluster:
    given = read(paths)
    token = Token(given.token, Path(given.token_file) if given.token_file else None)
    return Cluster(given.server.rstrip("/"), given.namespace, token, given.tls, given.host)
