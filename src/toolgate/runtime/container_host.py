"""Programs of this machine in a container that has nothing else: no image has to be fetched for them."""

import asyncio
import io
import tarfile
from dataclasses import replace
from typing import Final

from toolgate.errors import StartFailed
from toolgate.model.profile import Mount
from toolgate.runtime.base import Launch
from toolgate.runtime.command import found
from toolgate.runtime.container_engine import Engine
from toolgate.runtime.visible import visible

__all__ = ["IMAGE", "empty_image", "within"]

IMAGE: Final = "localhost/toolgate-empty:1"
_FOLDERS: Final = ("usr", "etc", "proc", "dev", "sys", "run", "tmp", "home", "home/mcp", "root", "var", "var/tmp")
_LINKS: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_IMPORTED: Final = 20.0  # seconds


async def within(engine: str, launch: Launch) -> Launch:
    """The same as a `run` of an image that is empty but for what the launch has to see. Raises `StartFailed`."""
    program, _ = await asyncio.to_thread(found, launch)
    await _import(engine)
    mounts = await asyncio.to_thread(visible, launch, program)
    profile = replace(launch.profile, mounts=(Mount("/usr"), *mounts))
    workdir = ("--workdir", launch.cwd) if launch.cwd else ()
    names = [word for name in launch.environment if name != "HOME" for word in ("--env", name)]
    args = ("run", *workdir, *names, IMAGE, program, *launch.args)
    return replace(launch, command=engine, args=args, cwd=None, profile=profile)


def empty_image() -> bytes:
    """An archive with the folders and links of a system, and nothing in them."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name in _FOLDERS:
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(folder)
        for name in _LINKS:
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, f"usr/{name}"
            tar.addfile(link)
    return archive.getvalue()


async def _import(engine: str) -> None:
    if (await Engine(engine).ask("image", "inspect", "--format", "{{.Id}}", IMAGE)).code == 0:
        return
    process = await asyncio.create_subprocess_exec(
        engine, "import", "-", IMAGE,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    try:
        async with asyncio.timeout(_IMPORTED):
            _, said = await process.communicate(empty_image())
    except TimeoutError:
        raise StartFailed(f"{engine} did not answer within {_IMPORTED:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise StartFailed(said.decode("utf-8", "replace").strip()[-300:] or f"{engine} import failed")
