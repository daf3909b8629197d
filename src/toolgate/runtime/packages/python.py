"""Install from a Python index: wheels only, so that nothing of the package runs."""

import asyncio
import json
import os
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

from toolgate.errors import StartFailed
from toolgate.model.profile import ANYWHERE
from toolgate.runtime.packages import indexes, scripts
from toolgate.runtime.packages.failures import explained, unpublished
from toolgate.runtime.packages.grants import grants, mirrored
from toolgate.runtime.packages.index import Listing, look, normal
from toolgate.runtime.packages.indexes import Indexes, host_of
from toolgate.runtime.packages.manifest import Manifest, Part
from toolgate.runtime.packages.package import Package
from toolgate.runtime.packages.run import Job, Run
from toolgate.runtime.packages.tools import Python, clean_environment, platform_name

__all__ = ["Pypi"]

_DEFAULT: Final = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
_PIP: Final = (
    "--no-input",
    "--disable-pip-version-check",
    "--only-binary=:all:",
    "--no-build-isolation",  # an address in a wheel's metadata would be built: there is nothing here to build with
    "--no-cache-dir",
    "--retries=1",
    "--progress-bar=off",
    "--no-warn-script-location",
)
_UV: Final = ("--only-binary=:all:", "--no-progress", "--color=never", "--no-config", "--no-python-downloads")
_FOR_PIP: Final = re.compile(r"PIP_|XDG_|HOME$")
_LOCKED: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^\s\\;]+)((?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)
_HASH: Final = re.compile(r"--hash=(\S+)")


class Pypi:
    """An installer: by uv where it is here, else by pip. `parent` is the gateway's environment, `own` what the
    definition gives; of both only the settings of pip and uv are looked at."""

    def __init__(self, run: Run, tools: Python, parent: Mapping[str, str], own: Mapping[str, str]) -> None:
        self._run = run
        self._tools = tools
        self._parent = parent
        self._own = own
        self.runtime = f"Python {tools.version}"
        self.hosts: tuple[str, ...] = ()
        self._reach: tuple[str, ...] = ()
        self.known: Collection[str] = ()
        """Names that may have been meant."""

    async def install(self, package: Package, folder: Path, work: Path) -> Manifest:
        """Into `folder`; `work`, inside it, is thrown away by the caller. Raises `StartFailed`."""
        environment = clean_environment(self._parent, work, self._tools.python)
        named = await self._named(folder, environment)
        listing = await self._look(package, named)
        venv = (self._tools.python, "-I", "-m", "venv", "--without-pip", "venv")
        await self._do(package, Job(venv, folder, environment, visible=self._visible))
        by = self._uv if self._tools.uv else self._pip
        try:
            parts = await by(package, folder, work, environment, named)
        except StartFailed:
            if listing.only_sources:
                raise explained(package, "--only-binary", hosts=self.hosts, runtime=self.runtime) from None
            raise
        await asyncio.to_thread(scripts.set_free, folder)
        main = next(part for part in parts if normal(part.name) == normal(package.name))
        return Manifest(
            ecosystem=package.ecosystem.value,
            spec=package.spec,
            extra=package.extra,
            name=main.name,
            version=main.version,
            runtime=self.runtime,
            platform=platform_name(),
            hosts=self.hosts,
            parts=parts,
            program=await asyncio.to_thread(scripts.program, package, folder),
        )

    async def _named(self, folder: Path, environment: Mapping[str, str]) -> Indexes:
        """The index of this machine's settings: uv's where they name one, then pip's, then the one that pip has."""
        variables = dict(self._parent) | dict(self._own)
        files = [Path(variables.get("XDG_CONFIG_HOME") or Path(variables.get("HOME", "~"), ".config")), Path("/etc")]
        of_uv = indexes.of_uv(variables, [_text(file.expanduser() / "uv" / "uv.toml") for file in files])
        if of_uv.more and not self._tools.uv:
            raise StartFailed(
                "UV_INDEX names more indexes than one, and uv, which knows how to choose, is not here",
                hint="install uv, or name one index in UV_DEFAULT_INDEX",
            )
        if not self._tools.pip:
            return of_uv
        passed = {name: value for name, value in self._parent.items() if _FOR_PIP.match(name)}
        listed = (self._tools.pip, "-I", "-m", "pip", "config", "list", "--disable-pip-version-check")
        pip = await self._run(Job(listed, folder, {**environment, **passed}, visible=self._visible))
        named = indexes.over(of_uv, indexes.of_pip(pip.text, self._own))
        if not named.first and not named.closed:
            own = await self._run(
                Job((self._tools.pip, "-I", "-c", _DEFAULT), folder, environment, visible=self._visible)
            )
            named = indexes.with_first(named, own.text.split()[0] if own.code == 0 and own.text.split() else "")
        return named

    async def _look(self, package: Package, named: Indexes) -> Listing:
        """Says where the files are, for the walls; raises `StartFailed` where every index says that there is none."""
        urls = [url for url in (named.first, *named.more) if host_of(url)]
        listings = [await look(url, package.name, self._parent, named.certificates) for url in urls]
        hosts = [host for url in (*urls, *named.links) if (host := host_of(url))]
        others = sorted({host for one in listings for host in one.hosts} - set(hosts))
        self.hosts = tuple(dict.fromkeys((*hosts, *others)))
        if await mirrored(hosts):
            hosts, others = [*hosts, *others], []
        self._reach = grants(hosts, others) if urls or named.links or named.closed else (ANYWHERE,)
        if (
            listings
            and all(one.known is False for one in listings)
            and not await asyncio.to_thread(_linked, package, named)
        ):
            raise unpublished(package, self.known, self.hosts)
        return Listing(None, frozenset(), tuple(name for one in listings for name in one.files))

    async def _pip(
        self, package: Package, folder: Path, work: Path, environment: Mapping[str, str], named: Indexes
    ) -> tuple[Part, ...]:
        (work / "pip.conf").write_text(named.configuration())
        (work / "pip.conf").chmod(0o600)
        report = work / "report.json"
        pip = (self._tools.pip, "-I", "-m", "pip", "--python", str(folder / "venv" / "bin" / "python"), "install")
        argv = (*pip, *_PIP, f"--report={report}", package.spec, *package.extra)
        given = {**environment, "PIP_CONFIG_FILE": str(work / "pip.conf")}
        await self._do(package, Job(argv, folder, given, self._reach, (*self._visible, *named.folders)))
        return tuple(_reported(package, report))

    async def _uv(
        self, package: Package, folder: Path, work: Path, environment: Mapping[str, str], named: Indexes
    ) -> tuple[Part, ...]:
        (work / "wanted.in").write_text("\n".join((package.spec, *package.extra)))
        given = {**environment, **named.variables(), "UV_CACHE_DIR": str(work / "cache"), "UV_HTTP_RETRIES": "1"}
        python, seen = f"--python={folder}/venv/bin/python", (*self._visible, *named.folders)
        locked = work / "locked.txt"
        uv = (self._tools.uv, "pip")
        choose = (*uv, "compile", *_UV, python, "--generate-hashes", "-q", "-o", str(locked), str(work / "wanted.in"))
        await self._do(package, Job(choose, folder, given, self._reach, seen))
        exact = ("--require-hashes", "--no-deps", "--compile-bytecode", "--link-mode=copy", "-r", str(locked))
        await self._do(package, Job((*uv, "install", *_UV, python, *exact), folder, given, self._reach, seen))
        found = _LOCKED.findall(locked.read_text())
        return tuple(Part(name, version, ",".join(sorted(_HASH.findall(rest)))) for name, version, rest in found)

    async def _do(self, package: Package, job: Job) -> None:
        result = await self._run(job)
        if result.code != 0:
            raise explained(package, result.text, hosts=self.hosts, runtime=self.runtime, known=self.known)

    @property
    def _visible(self) -> tuple[Path, ...]:
        """The interpreters' own folders, and uv."""
        prefixes = {sys.prefix, sys.base_prefix, os.path.dirname(os.path.dirname(os.path.realpath(self._tools.python)))}
        programs = {self._tools.uv} if self._tools.uv else set()
        return tuple(Path(path) for path in sorted(prefixes | programs) if path not in {"/", "/usr"})


def _reported(package: Package, report: Path) -> Iterator[Part]:
    """Raises `StartFailed` for what came from elsewhere than an index, which nothing vouches for."""
    for entry in json.loads(report.read_bytes())["install"]:
        name, version = entry["metadata"]["name"], entry["metadata"]["version"]
        sha256 = entry["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256")
        if sha256 is None or entry.get("is_direct"):
            raise StartFailed(
                f"{package.spec} needs {name}, which the index does not vouch for",
                hint=f"install it yourself, if you trust it (pipx install {package.name}), and name its command",
            )
        yield Part(name, version, f"sha256:{sha256}")


def _linked(package: Package, named: Indexes) -> bool:
    """Whether a folder or page to look in, which is no index, may have it."""
    files = (file.name for folder in named.folders if folder.is_dir() for file in folder.iterdir())
    remote = any(map(host_of, named.links))
    return remote or any(normal(name).startswith(f"{normal(package.name)}-") for name in files)


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError):
        return ""
