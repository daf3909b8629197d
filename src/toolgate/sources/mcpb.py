"""MCPB bundles: a zip with a server and its `manifest.json` (0.1 to 0.4) → a folder of files and a card."""

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from toolgate.errors import ToolgateError
from toolgate.model.card import Card
from toolgate.sources.bundle_manifest import BadManifest, card_of
from toolgate.sources.bundle_zip import HostileBundle, unpack
from toolgate.sources.download import Undownloadable, download

__all__ = ["BundleError", "installed"]

LIMIT: Final = 256 * 2**20  # bytes of a bundle
MANIFEST: Final = 2**20  # bytes of a manifest
_TIMEOUT: Final = 300.0  # seconds for its download
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class BundleError(ToolgateError):
    """A bundle that is not used."""

    code = "bundle-refused"


def installed(where: str, digest: str, state: Path, platform: str = sys.platform) -> Card:
    """The card of the bundle at a URL or path, whose SHA-256 must be `digest`. Its files are under `state`, by digest,
    read-only; what is there already is not fetched again. Blocks. Raises `BundleError`."""
    wanted = digest.strip().lower().removeprefix("sha256:")
    if not _DIGEST.fullmatch(wanted):
        raise BundleError(
            "a bundle needs its SHA-256: 64 hexadecimal digits", hint=f"`sha256sum {_last(where)}` tells it"
        )
    folder = state / "bundles" / wanted
    if not folder.is_dir():
        _placed(_content(where), wanted, folder, _last(where))
    try:
        return card_of(_manifest(folder), folder, platform)
    except BadManifest as error:
        raise BundleError(f"{_last(where)}: {error.reason}", hint=error.hint) from None


def _content(where: str) -> bytes:
    try:
        if "://" in where:
            got = download(where, limit=LIMIT, timeout=_TIMEOUT)
            if got.status != 200:
                raise BundleError(f"{where} answers with HTTP {got.status}", hint="look at the address")
            return got.body
        path = Path(where).expanduser()
        if not path.is_file():
            raise BundleError(f"there is no file {where}")
        if path.stat().st_size > LIMIT:
            raise BundleError(f"{where} is larger than {LIMIT // 2**20} MiB")
        return path.read_bytes()
    except Undownloadable as error:
        raise BundleError(f"the bundle cannot be fetched: {error.reason}") from None
    except OSError as error:
        raise BundleError(f"{where} cannot be read: {error.strerror or error}") from None


def _placed(content: bytes, wanted: str, folder: Path, name: str) -> None:
    """Unpacked beside its place and moved there, so that what is there is whole."""
    found = sha256(content).hexdigest()
    if found != wanted:
        raise BundleError(
            f"{name} is not the bundle that was meant: its SHA-256 is {found}",
            hint="ask whoever gave you the digest; do not take the new one on faith",
        )
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=folder.parent))
    try:
        unpack(content, fresh)
        fresh.rename(folder)
    except HostileBundle as error:
        raise BundleError(f"{name} {error.reason}", hint="it was not installed") from None
    except OSError as error:
        if not folder.is_dir():  # else another process was first
            raise BundleError(f"{name} cannot be unpacked: {error.strerror or error}") from None
    finally:
        if fresh.exists():
            _removed(fresh)


def _removed(folder: Path) -> None:
    for parent, _, _ in os.walk(folder):
        os.chmod(parent, 0o700)
    shutil.rmtree(folder)


def _manifest(folder: Path) -> Mapping[str, Any]:
    file = folder / "manifest.json"
    try:
        if file.stat().st_size > MANIFEST:
            raise BadManifest("its manifest.json is larger than 1 MiB")
        data = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise BadManifest("it has no manifest.json", "a bundle has it at its top") from None
    except (OSError, ValueError):
        raise BadManifest("its manifest.json is not JSON") from None
    if not isinstance(data, dict):
        raise BadManifest("its manifest.json is no object")
    return data


def _last(where: str) -> str:
    return where.rstrip("/").rpartition("/")[2].partition("?")[0] or where
