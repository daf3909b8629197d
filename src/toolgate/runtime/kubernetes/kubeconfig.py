"""Kubeconfig files: what of them holds here, and what is said of the rest."""

import base64
import binascii
import contextlib
import os
import ssl
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from toolgate.errors import StartFailed

__all__ = ["Kubeconfig", "read"]

_KINDS: Final = ("clusters", "contexts", "users")
_Part = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """The current context, resolved. `token_file` is absolute, or empty."""

    server: str
    namespace: str
    token: str = field(default="", repr=False)
    token_file: str = ""
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    host: str | None = None


def read(paths: Sequence[Path]) -> Kubeconfig:
    """Of several files the first that names a thing says what it is, as for kubectl. Raises `StartFailed`."""
    files = [(path, _document(path)) for path in paths if path.exists()]
    if not files:
        raise StartFailed(f"there is no kubeconfig file {paths[0]}", hint="correct KUBECONFIG")
    current = next((document["current-context"] for _, document in files if document.get("current-context")), "")
    context, place = _named(files, "contexts", current)
    cluster, folder = _named(files, "clusters", context.get("cluster", ""))
    user, users_folder = _named(files, "users", context["user"]) if context.get("user") else ({}, place)
    _refuse(cluster, user)
    return Kubeconfig(
        server=str(cluster.get("server") or ""),
        namespace=str(context.get("namespace") or "default"),
        token=str(user.get("token") or ""),
        token_file=str(users_folder / user["tokenFile"]) if user.get("tokenFile") and not user.get("token") else "",
        tls=_tls(cluster, folder, user, users_folder),
        host=cluster.get("tls-server-name"),
    )


def _document(path: Path) -> _Part:
    try:
        document = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        # Not the error's own text, which quotes the file.
        raise StartFailed(f"the kubeconfig file {path} cannot be read: {type(error).__name__}") from None
    if not isinstance(document, Mapping):
        raise StartFailed(f"{path} is no kubeconfig file")
    return document


def _named(files: Sequence[tuple[Path, _Part]], kind: str, name: str) -> tuple[_Part, Path]:
    for path, document in files:
        for entry in document.get(kind) or ():
            if entry.get("name") == name:
                return entry.get(kind[:-1]) or {}, path.absolute().parent
    raise StartFailed(f"{files[0][0]} has no {kind[:-1]} {name!r}", hint="choose one: kubectl config use-context NAME")


def _refuse(cluster: _Part, user: _Part) -> None:
    if not str(cluster.get("server") or "").startswith(("https://", "http://")):
        raise StartFailed("the cluster of the kubeconfig file has no address of a server")
    if cluster.get("proxy-url"):
        raise StartFailed("the cluster of the kubeconfig file is reached by a proxy-url, which is not supported")
    for way in ("exec", "auth-provider"):
        if user.get(way) and not (user.get("token") or user.get("tokenFile")):
            # A gateway that starts servers for others must not run what a file says with its own rights.
            raise StartFailed(
                f"the user of the kubeconfig file gets its credentials from a program ({way}), which is not run",
                hint="give it a service account's token: token or tokenFile",
            )


def _tls(cluster: _Part, folder: Path, user: _Part, users_folder: Path) -> ssl.SSLContext | None:
    if not cluster["server"].startswith("https://"):
        return None
    try:
        authority = _data(cluster, "certificate-authority-data")
        file = cluster.get("certificate-authority")
        context = ssl.create_default_context(
            cafile=str(folder / file) if file and not authority else None, cadata=authority.decode() or None
        )
        if cluster.get("insecure-skip-tls-verify"):
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with _pair(user, users_folder) as pair:
            if pair:
                context.load_cert_chain(*pair)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise StartFailed(f"the certificates of the kubeconfig file cannot be used: {error}") from None
    return context


@contextlib.contextmanager
def _pair(user: _Part, folder: Path) -> Iterator[tuple[str, str] | None]:
    """The files of the client's certificate and key. What stands in the kubeconfig itself is in one for a moment, since
    `ssl` reads nothing else."""
    with contextlib.ExitStack() as stack:
        found = [_file(user, folder, name, stack) for name in ("client-certificate", "client-key")]
        yield (found[0], found[1]) if all(found) else None


def _file(user: _Part, folder: Path, name: str, stack: contextlib.ExitStack) -> str:
    if data := _data(user, f"{name}-data"):
        handle, path = tempfile.mkstemp()  # for this user alone
        stack.callback(os.unlink, path)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        return path
    return str(folder / user[name]) if user.get(name) else ""


def _data(part: _Part, name: str) -> bytes:
    try:
        return base64.b64decode(part.get(name) or "", validate=True)
    except binascii.Error:
        raise ValueError(f"{name} is not base64") from None
