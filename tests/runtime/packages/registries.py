"""An npm registry and a Python index on loopback, as their contracts have them: packuments with integrity (npm registry
API), simple pages as JSON (PEP 691) with sha256; and the archives that are in them."""

import base64
import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiohttp import web

__all__ = ["NODE_SERVER", "Index", "Registry", "serving", "tarball", "wheel"]

NODE_SERVER = """#!/usr/bin/env node
require("readline").createInterface({input: process.stdin}).on("line", line => {
  const {id, method} = JSON.parse(line)
  const result = method === "initialize"
    ? {protocolVersion: "2025-06-18", capabilities: {tools: {}}, serverInfo: {name: "tiny", version: "1"}}
    : method === "tools/list" ? {tools: [{name: "wave", inputSchema: {type: "object"}}]} : undefined
  if (id !== undefined)
    console.log(JSON.stringify({jsonrpc: "2.0", id, ...(result ? {result} : {error: {code: -32601, message: "no"}})}))
})
"""


def tarball(name: str, version: str, files: Mapping[str, str], **more: Any) -> tuple[dict[str, Any], bytes]:
    """A package.json and the archive that `npm pack` makes of it and the files."""
    described = {"name": name, "version": version, **more}
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for path, text in {"package.json": json.dumps(described), **files}.items():
            info = tarfile.TarInfo(f"package/{path}")
            info.size, info.mode = len(text.encode()), 0o755
            archive.addfile(info, io.BytesIO(text.encode()))
    return described, gzip.compress(raw.getvalue(), mtime=0)


def wheel(
    name: str, version: str, code: str, requires: tuple[str, ...] = (), tag: str = "py3-none-any"
) -> tuple[str, bytes]:
    """A file name and a wheel (PEP 427) whose console script has the package's name and runs `code`."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    files = {
        f"{module}.py": f"def main():\n    {code}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + "".join(f"Requires-Dist: {one}\n" for one in requires),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {module}:main\n",
    }
    record = "".join(f"{path},{_sha256(text.encode())},{len(text.encode())}\n" for path, text in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return f"{module}-{version}-{tag}.whl", raw.getvalue()


def _sha256(raw: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).rstrip(b"=").decode()


@dataclass
class _Double:
    url: str = ""
    requests: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    served: dict[str, bytes] = field(default_factory=dict)
    """Other bytes for an archive than were announced."""

    def _note(self, request: web.Request) -> None:
        self.requests.append(request.path)
        self.tokens.append(request.headers.get("Authorization", ""))


class Registry(_Double):
    """Of npm packages."""

    def __init__(self) -> None:
        super().__init__()
        self.versions: dict[str, dict[str, dict[str, Any]]] = {}
        self.archives: dict[str, bytes] = {}

    def add(self, described: dict[str, Any], raw: bytes) -> None:
        name, version = described["name"], described["version"]
        file = f"{name.rpartition('/')[2]}-{version}.tgz"
        self.archives[file] = raw
        integrity = "sha512-" + base64.b64encode(hashlib.sha512(raw).digest()).decode()
        dist = {"integrity": integrity, "shasum": hashlib.sha1(raw).hexdigest(), "file": file}  # noqa: S324  # the contract
        scripts = bool({"preinstall", "install", "postinstall"} & described.get("scripts", {}).keys())
        more = {"hasInstallScript": True} if scripts else {}
        self.versions.setdefault(name, {})[version] = {**described, **more, "dist": dist}

    async def answer(self, request: web.Request) -> web.Response:
        self._note(request)
        path = request.path.lstrip("/")
        if path.startswith("archives/"):
            file = path.removeprefix("archives/")
            return web.Response(body=self.served.get(file, self.archives[file]))
        versions = self.versions.get(path)
        if versions is None:
            return web.json_response({"error": "Not found"}, status=404)
        listed = {
            version: {**entry, "dist": {**entry["dist"], "tarball": f"{self.url}/archives/{entry['dist']['file']}"}}
            for version, entry in versions.items()
        }
        return web.json_response({"name": path, "dist-tags": {"latest": list(versions)[-1]}, "versions": listed})


class Index(_Double):
    """Of Python packages."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, dict[str, bytes]] = {}

    def add(self, file: str, raw: bytes) -> None:
        name = file.partition("-")[0].replace("_", "-")
        self.files.setdefault(name, {})[file] = raw

    async def answer(self, request: web.Request) -> web.Response:
        self._note(request)
        kind, _, rest = request.path.lstrip("/").partition("/")
        name, _, file = rest.partition("/")
        files = self.files.get(name)
        if files is None:
            return web.Response(status=404)
        if kind == "files":
            return web.Response(body=self.served.get(file, files[file]))
        listed = [
            {
                "filename": each,
                "url": f"{self.url}/files/{name}/{each}",
                "hashes": {"sha256": hashlib.sha256(raw).hexdigest()},
            }
            for each, raw in files.items()
        ]
        body = {"meta": {"api-version": "1.0"}, "name": name, "files": listed}
        return web.Response(text=json.dumps(body), content_type="application/vnd.pypi.simple.v1+json")


_Served = TypeVar("_Served", Registry, Index)


@asynccontextmanager
async def serving(double: _Served) -> AsyncIterator[_Served]:
    app = web.Application()
    app.router.add_get("/{path:.*}", double.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        double.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield double
    finally:
        await runner.cleanup()
