"""Install from an npm registry: resolve, look at what was resolved, fetch exactly that; run none of it."""

import asyncio
import hashlib
import json
import os
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from toolgate.errors import StartFailed
from toolgate.runtime.packages import npmrc
from toolgate.runtime.packages.failures import explained
from toolgate.runtime.packages.grants import grants, is_inside, mirrored
from toolgate.runtime.packages.manifest import Manifest, Part, Program
from toolgate.runtime.packages.package import Package, name_of
from toolgate.runtime.packages.run import Job, Run
from toolgate.runtime.packages.tools import Node, Tools, clean_environment, platform_name

__all__ = ["Npm"]

_FLAGS: Final = (
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    "--no-workspaces",
    "--omit=dev",
    "--omit-lockfile-registry-resolved=false",
    "--fetch-retries=1",
    "--fetch-retry-mintimeout=500",
    "--loglevel=warn",
    "--no-color",
    "--no-progress",
)
_LIBRARY: Final = "it is a library, not a server: look for the name of its server"
_SHEBANG: Final = re.compile(rb"#!\s*(?:\S*/)?(?:env\s+(?:-S\s+)?)?(?:\S*/)?node(?:js)?((?:[ \t]+\S+)*)[ \t]*\r?\n")


class Npm:
    """An installer. `parent` is the gateway's environment, `own` what the definition gives; of both only the settings
    of npm itself are looked at."""

    def __init__(self, run: Run, tools: Tools, node: Node, parent: Mapping[str, str], own: Mapping[str, str]) -> None:
        self._run = run
        self._tools = tools
        self._node = node
        self._parent = parent
        self._own = own
        self.runtime = f"Node.js {node.version}"
        self.hosts: tuple[str, ...] = ()
        self._reach: tuple[str, ...] = ()
        self.known: Collection[str] = ()
        """Names that may have been meant."""

    async def install(self, package: Package, folder: Path, work: Path) -> Manifest:
        """Into `folder`; `work` is thrown away by the caller. Raises `StartFailed`."""
        specs = (package.spec, *package.extra)
        wanted = {name_of(spec): spec.removeprefix(name_of(spec)).removeprefix("@") or "*" for spec in specs}
        (folder / "package.json").write_text(json.dumps({"private": True, "dependencies": wanted}))
        environment = self._environment(work)
        await self._configure(work, environment)
        await self._npm(package, folder, work, environment, "install", "--package-lock-only")
        locked = await asyncio.to_thread(_locked, folder)
        parts = tuple(_parts(package, locked))
        archives = tuple(_tarball_hosts(package, locked, self.hosts))
        self._reach = grants((*self.hosts, *archives)) if await mirrored(self.hosts) else grants(self.hosts, archives)
        self.hosts = tuple(dict.fromkeys((*self.hosts, *archives)))
        written = await self._npm(package, folder, work, environment, "ci")
        program = await asyncio.to_thread(_program, package, folder, self._node.node)
        return Manifest(
            ecosystem=package.ecosystem.value,
            spec=package.spec,
            extra=package.extra,
            name=package.name,
            version=locked[f"node_modules/{package.name}"]["version"],
            runtime=self.runtime,
            platform=platform_name(),
            hosts=self.hosts,
            parts=parts,
            program=program,
            remarks=tuple(_remarks(package, locked, written)),
        )

    def _environment(self, work: Path) -> dict[str, str]:
        settings = npmrc.environment_of(self._parent) | npmrc.environment_of(self._own)
        return clean_environment(self._parent, work, self._node.node, self._node.npm) | settings

    async def _configure(self, work: Path, environment: dict[str, str]) -> None:
        """Write the user's registries, and nothing else of theirs, where npm of this install looks for settings."""
        told = await self._tools.npm_settings(self._node)
        lines = await asyncio.to_thread(npmrc.read, self._parent, told.get("globalconfig", ""))
        for name in npmrc.named_variables(lines):
            if name in self._parent:
                environment[name] = self._parent[name]
        (work / "npmrc").write_text("\n".join([*lines, ""]))
        (work / "npmrc").chmod(0o600)
        own = [line for line in lines if line.lower().startswith("registry")][-1:]
        given = environment.get("npm_config_registry")
        default = [f"registry={given}"] if given else own or [f"registry={told.get('registry', '')}"]
        scoped = [line for line in lines if line.startswith("@")]
        self.hosts = tuple(npmrc.hosts_of([*default, *scoped], environment))
        self._reach = grants(self.hosts)

    async def _npm(
        self, package: Package, folder: Path, work: Path, environment: Mapping[str, str], *command: str
    ) -> str:
        settings = (f"--userconfig={work}/npmrc", f"--globalconfig={work}/none", f"--cache={work}/cache")
        argv = (self._node.npm, *command, *_FLAGS, *settings)
        result = await self._run(Job(argv, folder, environment, self._reach, self._visible))
        if result.code == 0:
            return result.text
        text = result.text
        if "ETARGET" in text:
            view = (self._node.npm, "view", package.name, "version", *_FLAGS, *settings)
            newest = await self._run(Job(view, folder, environment, self._reach, self._visible))
            text += f"\n(from versions: {newest.text.strip()})"
        raise explained(package, text, hosts=self.hosts, runtime=self.runtime, known=self.known)

    @property
    def _visible(self) -> tuple[Path, ...]:
        """npm itself."""
        return (Path(os.path.realpath(self._node.npm)).parents[1],)


def _parts(package: Package, locked: Mapping[str, Any]) -> Iterator[Part]:
    """Everything that will be fetched. Raises `StartFailed` for what no integrity vouches for: a git repository or an
    address that a dependency names."""
    for place, entry in locked.items():
        if not place or entry.get("inBundle"):
            continue
        name = place.rpartition("node_modules/")[2]
        if not entry.get("integrity") or not str(entry.get("resolved", "https:")).startswith(("https:", "http:")):
            raise StartFailed(
                f"{package.spec} needs {name}, which the registry does not vouch for",
                hint=f"install it yourself, if you trust it (npm install -g {package.spec}), and name its command",
            )
        yield Part(name, str(entry.get("version", "")), str(entry["integrity"]))


def _tarball_hosts(package: Package, locked: Mapping[str, Any], registries: tuple[str, ...]) -> Iterator[str]:
    """Where the archives are, if not at the registry. A registry of this network is the operator's choice; an address
    in this network that a foreign registry names is not."""
    for entry in locked.values():
        host = urlsplit(str(entry.get("resolved", ""))).netloc.rpartition("@")[2]
        if host and host not in registries:
            if is_inside(host):
                raise StartFailed(
                    f"the registry sends us to {host} for {package.spec}, which is inside this network",
                    hint="name that address as the registry in .npmrc if it is right",
                )
            yield host


def _locked(folder: Path) -> dict[str, Any]:
    packages: dict[str, Any] = json.loads((folder / "package-lock.json").read_bytes())["packages"]
    return packages


def _program(package: Package, folder: Path, node: str) -> Program:
    offered = _offered(folder / "node_modules" / package.name)
    binary = package.binary or _usual(package, offered)
    entry = folder / "node_modules" / ".bin" / binary
    if not entry.exists():
        raise StartFailed(
            f"{package.spec} has no program {binary or 'at all'}",
            hint=f"it has {', '.join(sorted(offered))}: npx --package={package.spec} NAME" if offered else _LIBRARY,
        )
    file = Path(os.path.realpath(entry))
    raw = file.read_bytes()
    place = f"./{file.relative_to(os.path.realpath(folder))}"
    match = _SHEBANG.match(raw)
    if match is None and file.suffix not in {".js", ".mjs", ".cjs"}:
        command, arguments = place, ()
    else:
        flags = tuple(match[1].decode().split()) if match else ()
        command, arguments = node, (*flags, place)
    return Program(command, arguments, place, hashlib.sha256(raw).hexdigest(), "./node_modules/.bin")


def _offered(own: Path) -> dict[str, str]:
    described = json.loads((own / "package.json").read_bytes())
    offered = described.get("bin") or {}
    return {described["name"].rpartition("/")[2]: offered} if isinstance(offered, str) else offered


def _usual(package: Package, offered: Mapping[str, str]) -> str:
    """As npx picks: the only one, or the one that has the package's name; empty where neither is."""
    if len(set(offered.values())) == 1:
        return next(iter(offered))
    name = package.name.rpartition("/")[2]
    return name if name in offered else ""


def _remarks(package: Package, locked: Mapping[str, Any], written: str) -> Iterator[str]:
    scripted = [
        place.rpartition("node_modules/")[2]
        for place, entry in locked.items()
        if entry.get("hasInstallScript") and not entry.get("optional")
    ]
    if scripted:
        yield (
            f"install scripts of {', '.join(scripted)} were not run; if it needs them, install it yourself "
            f"(npm install -g {package.spec}) and name its command"
        )
    main = locked[f"node_modules/{package.name}"]
    if re.search(rf"EBADENGINE\s+package: '{re.escape(package.name)}@", written):
        yield f"it asks for Node.js {main['engines']['node']}"
