"""The command of a container engine: what it is asked, and what it goes by."""

import asyncio
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from toolgate.errors import StartFailed

__all__ = ["PASSED", "Engine", "Told", "client_environment", "last", "with_own"]

_ASKED: Final = 20.0  # seconds that it has for a question

PASSED: Final = frozenset({
    "PATH", "HOME", "TMPDIR", "XDG_RUNTIME_DIR", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH",
    "DOCKER_TLS_VERIFY", "CONTAINER_HOST", "CONTAINERS_CONF", "REGISTRY_AUTH_FILE",
})  # fmt: skip
"""What the engine's own command goes by, and a server's definition must not change."""


@dataclass(frozen=True, slots=True)
class Told:
    """What an engine said."""

    code: int
    out: str
    err: str


class Engine:
    """`name` is `podman` or `docker`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def path(self) -> str:
        """Raises `StartFailed` where it is not installed."""
        found = shutil.which(self.name)
        if found is None:
            raise StartFailed(f"{self.name} is not on PATH", hint=f"install {self.name}")
        return found

    async def ask(self, *words: str, seconds: float = _ASKED, own: Mapping[str, str] = MappingProxyType({})) -> Told:
        """`own` is what a server is given of variables. Raises `StartFailed` where there is no answer."""
        process = await asyncio.create_subprocess_exec(
            self.path(),
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=with_own(own),
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(seconds):
                out, err = await process.communicate()
        except TimeoutError:
            raise StartFailed(
                f"{self.name} did not answer within {seconds:g} s", hint=f"is it running? {self.name} info"
            ) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return Told(process.returncode or 0, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


def client_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in PASSED if name in os.environ}


def with_own(own: Mapping[str, str]) -> dict[str, str]:
    return dict(own) | client_environment()


def last(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no reason was given"
