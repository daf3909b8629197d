"""What the tests of installed packages share."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.runtime.packages.registries import NODE_SERVER, Index, Registry, serving, tarball, wheel
from toolgate.runtime import process
from toolgate.runtime.base import Launch
from toolgate.runtime.packages.packages import Packages
from toolgate.runtime.packages.run import Run, Runner
from toolgate.runtime.packages.tools import Tools

__all__ = ["Open", "npx", "output", "read", "told_of", "uvx", "write"]


class Open(Protocol):
    """Packages of a gateway that begins; it ends with the test."""

    def __call__(self, *, run: Run | None = None, size: int = 2**30, **environment: str) -> Packages: ...


def npx(*args: str, path: str = "", **environment: str) -> Launch:
    return Launch("npx", args, {"PATH": path or _folders("node"), **environment}, cwd="/")


def uvx(*args: str, path: str = "/usr/bin:/bin", **environment: str) -> Launch:
    return Launch("uvx", args, {"PATH": path, **environment}, cwd="/")


def _folders(program: str) -> str:
    found = shutil.which(program)
    assert found is not None
    return f"{Path(found).parent}:/usr/bin:/bin"


def read(path: str | Path) -> str:
    return Path(path).read_text()


def write(path: str | Path, text: str) -> None:
    Path(path).write_text(text)


def told_of(launch: Launch) -> dict[str, Any]:
    """What stands beside the package that is started."""
    told: dict[str, Any] = json.loads(read(Path(launch.profile.mounts[-1].path, "installed.json")))
    return told


async def output(*argv: str, given: bytes = b"", cwd: Path | None = None) -> bytes:
    """Of a program that ends well, while the registries go on serving."""
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe, stderr=pipe, cwd=cwd)
    out, errors = await asyncio.wait_for(child.communicate(given), 30)
    assert child.returncode == 0, errors.decode()
    return out


@pytest.fixture
async def registry() -> AsyncIterator[Registry]:
    """With `@tiny/server` 1.0.0 and 1.1.0, which speaks MCP and needs `leaf`."""
    async with serving(Registry()) as double:
        double.add(*tarball("leaf", "2.0.0", {"index.js": "module.exports = 7"}))
        for version in ("1.0.0", "1.1.0"):
            more = {"bin": {"tiny-server": "server.js"}, "dependencies": {"leaf": "^2.0.0"}}
            double.add(*tarball("@tiny/server", version, {"server.js": NODE_SERVER}, **more))
        yield double


@pytest.fixture
async def index() -> AsyncIterator[Index]:
    """With `tiny-server` 1.0 and 1.1, which needs `tiny-leaf`."""
    async with serving(Index()) as double:
        double.add(*wheel("tiny-leaf", "2.0", "pass"))
        for version in ("1.0", "1.1"):
            code = f"import sys, tiny_leaf; print('tiny {version}', *sys.argv[1:])"
            double.add(*wheel("tiny-server", version, code, ("tiny-leaf>=2",)))
        yield double


@pytest.fixture
def environment(tmp_path: Path, registry: Registry, index: Index) -> Mapping[str, str]:
    """The gateway's own: of a user whose only settings name the two registries."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".npmrc").write_text(f"registry={registry.url}/\n")
    settings = {"PIP_INDEX_URL": f"{index.url}/simple/", "PIP_CONFIG_FILE": "/dev/null"}
    return {"HOME": str(tmp_path / "home"), "GITHUB_TOKEN": "of-the-gateway", **settings}


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where is kept what one test has installed for all."""
    return tmp_path_factory.mktemp("template") / "packages"


@pytest.fixture
async def installed(template: Path, tmp_path: Path, environment: Mapping[str, str], tools: Tools) -> None:
    """`npx -y @tiny/server` was started before, by a gateway that is gone."""
    if not await asyncio.to_thread(template.exists):
        packages = Packages(template, Runner(process.start), environment, tools=tools)
        await packages.prepared("tiny", npx("-y", "@tiny/server"))
        await packages.close()
    await asyncio.to_thread(shutil.copytree, template, tmp_path / "packages", symlinks=True)


@pytest.fixture(scope="session")
def tools() -> Tools:
    """What this machine has is asked for once."""
    return Tools()


@pytest.fixture
async def gateway(tmp_path: Path, environment: Mapping[str, str], tools: Tools) -> AsyncIterator[Open]:
    async with AsyncExitStack() as stack:

        def opened(*, run: Run | None = None, size: int = 2**30, **more: str) -> Packages:
            run = run or Runner(process.start)
            packages = Packages(tmp_path / "packages", run, {**environment, **more}, size=size, tools=tools)
            stack.push_async_callback(packages.close)
            return packages

        yield opened
