"""A launch of this machine, as it is in a sandbox elsewhere."""

import hashlib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from toolgate.errors import StartFailed
from toolgate.runtime.base import Launch
from toolgate.runtime.e2b.network import outward

if TYPE_CHECKING:
    from e2b import AsyncSandbox

__all__ = ["check", "environment", "home", "look", "template"]

_BASE: Final = "base"
_LOOKED: Final = 20.0  # seconds
_NO_FOLDER: Final = 90
_NO_PROGRAM: Final = 91
_SCRIPT: Final = (
    f'cd -- "$TOOLGATE_FOLDER" 2>/dev/null || exit {_NO_FOLDER}; '
    f'command -v -- "$TOOLGATE_PROGRAM" >/dev/null || exit {_NO_PROGRAM}'
)

# Of the machine that the gateway runs on: wrong in a sandbox, and a proxy's address may hold its password.
_OF_THE_MACHINE: Final = frozenset({
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TERM", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
})  # fmt: skip


def check(launch: Launch) -> None:
    if launch.profile.mounts:
        raise StartFailed(
            f"runtime e2b has no files of this machine, and its profile mounts {launch.profile.mounts[0].path}",
            hint="put them into a template, or choose a runtime of this machine",
        )
    if "\0" in "".join((launch.command, *launch.args, *launch.environment.values())):
        raise StartFailed("its command, arguments or environment hold a NUL character")
    outward(launch.profile.network)


def template(launch: Launch) -> str:
    return launch.profile.template or _BASE


def home(name: str, launch: Launch) -> str:
    words = "\0".join((name, launch.owner, template(launch)))
    return hashlib.blake2b(words.encode(), digest_size=16).hexdigest()


def environment(given: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in given.items()
        if not ((name in _OF_THE_MACHINE or name.startswith("XDG_")) and os.environ.get(name) == value)
    }


async def look(sandbox: "AsyncSandbox", launch: Launch, variables: Mapping[str, str]) -> None:
    """Whether its program is there, before something that is not is started. Raises `StartFailed`."""
    folder, program = launch.cwd or ".", launch.command
    try:
        envs = {**variables, "TOOLGATE_FOLDER": folder, "TOOLGATE_PROGRAM": program}
        await sandbox.commands.run(_SCRIPT, envs=envs, timeout=_LOOKED)
    except Exception as error:  # the SDK raises what four libraries raise; of these two are answers
        made_of = template(launch)
        match getattr(error, "exit_code", None):
            case code if code == _NO_FOLDER:
                raise StartFailed(
                    f"its working directory {folder} does not exist in template {made_of}",
                    hint="leave cwd out, or create it in the template",
                ) from None
            case code if code == _NO_PROGRAM:
                where = "does not exist in" if os.sep in program else "is not on the PATH of"
                raise StartFailed(
                    f"{program} {where} template {made_of}",
                    hint=f"name a template that has {program}: `template` under its `sandbox`",
                ) from None
        raise
