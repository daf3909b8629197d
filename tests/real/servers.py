"""The real servers that stand behind the gateway, and how each is started, once directly and once by the gateway."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.parts.where import Parts
from tests.peers import LEGACY, MODERN
from tests.real import samples
from tests.real.sample import Sample

__all__ = ["NAMES", "RealServer", "real_servers"]

NAMES = ("everything", "filesystem", "memory", "thinking", "time", "fetch", "git", "sqlite", "modern", "legacy")

_PIXEL = bytes.fromhex("89504e470d0a1a0a0000000d49484452")  # as much of a picture as a file server looks at

# Fixed, so that a commit has the same digest on both sides.
_GIT = {
    **{f"GIT_{who}_NAME": "Toolgate" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_EMAIL": "tests@example.com" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_DATE": "2026-01-02T03:04:05+00:00" for who in ("AUTHOR", "COMMITTER")},
}


@dataclass(frozen=True)
class RealServer:
    """`start` is a command or a URL. `speaks` is the newest revision that it knows: the gateway finds that out."""

    name: str
    start: Sequence[str] | str
    samples: Sequence[Sample]
    env: Mapping[str, str] = field(default_factory=dict)
    private: Mapping[str, str] = field(default_factory=dict)
    """What the direct process gets instead of `env`: a state of its own where two processes would meet."""
    reset: Callable[[], None] = lambda: None
    speaks: str = LEGACY
    shadowed: bool = False
    """Whether a server before it lists the same addresses."""
    sandbox: Mapping[str, Any] = field(default_factory=dict)
    """What it may use besides itself."""
    apart: frozenset[str] = frozenset()
    """What a test of its own asks for, because it changes what the server offers."""

    def exposed(self, name: str) -> str:
        """What the gateway's one endpoint calls this server's tool or prompt."""
        return f"{self.name}__{name}"

    def address(self, uri: str) -> str:
        """Where the gateway's one endpoint has this server's resource or template."""
        return f"toolgate://{self.name}/{uri}" if self.shadowed else uri

    @property
    def config(self) -> dict[str, Any]:
        """The server's entry in `toolgate.yaml`."""
        if isinstance(self.start, str):
            return {"url": self.start}
        return {"command": self.start[0], "args": list(self.start[1:]), "env": dict(self.env), "sandbox": self.sandbox}


def real_servers(parts: Parts, folder: Path, page: str, modern: str, legacy: str) -> dict[str, RealServer]:
    """`page` is the URL of an HTML page; `modern` and `legacy` are those of the fixture servers."""
    files, repository, tables, graph = (folder / name for name in ("files", "repository", "tables", "graph"))
    fill(files)
    commit(repository)
    tables.mkdir()
    graph.mkdir()
    servers = [
        RealServer(
            "everything",
            parts.node("server-everything"),
            samples.everything(),
            apart=frozenset({"gzip-file-as-resource"}),
        ),
        RealServer(
            "filesystem",
            [*parts.node("server-filesystem"), str(files)],
            samples.filesystem(files),
            reset=lambda: fill(files),
            sandbox=_writes(files),
        ),
        RealServer(
            "memory",
            parts.node("server-memory"),
            samples.memory(),
            env={"MEMORY_FILE_PATH": str(graph / "through.jsonl")},
            private={"MEMORY_FILE_PATH": str(folder / "direct.jsonl")},
            sandbox=_writes(graph),
        ),
        RealServer("thinking", parts.node("server-sequential-thinking"), samples.sequential_thinking()),
        RealServer("time", parts.server("mcp-server-time"), samples.time(), speaks=MODERN),
        RealServer(
            "fetch",
            parts.server("mcp-server-fetch"),
            samples.fetch(page),
            speaks=MODERN,
            sandbox={"network": [urlsplit(page).netloc]},
        ),
        RealServer(
            "git",
            parts.server("mcp-server-git"),
            samples.git(repository),
            env=_GIT,
            reset=lambda: commit(repository),
            sandbox=_writes(repository),
            speaks=MODERN,
        ),
        RealServer(
            "sqlite",
            [*parts.server("mcp-server-sqlite"), "--db-path", str(tables / "gates.sqlite")],
            samples.sqlite(),
            sandbox=_writes(tables),
        ),
        RealServer("modern", modern, samples.fixture(), speaks=MODERN),
        RealServer("legacy", legacy, samples.fixture(), shadowed=True),
    ]
    return {server.name: server for server in servers}


def _writes(folder: Path) -> dict[str, Any]:
    return {"mounts": [{"path": str(folder), "writable": True}]}


def fill(folder: Path) -> None:
    _clear(folder)
    (folder / "note.txt").write_text("first line\nsecond line\n")
    (folder / "pixel.png").write_bytes(_PIXEL)


def commit(folder: Path) -> None:
    """One commit, and one change that is not in it."""
    _clear(folder)
    _git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / "README.md").write_text("# Gates\n")
    _git(folder, "add", ".")
    _git(folder, "commit", "--quiet", "--message=Begin")
    (folder / "README.md").write_text("# Gates\n\nThere are two.\n")


def _clear(folder: Path) -> None:
    """The folder itself stays: the server holds on to it."""
    folder.mkdir(exist_ok=True)
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _git(folder: Path, *arguments: str) -> None:
    # Nobody's own git configuration has a say: signing, hooks and templates would change the digests.
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", **_GIT}
    subprocess.run(["git", *arguments], cwd=folder, env=env, check=True)
