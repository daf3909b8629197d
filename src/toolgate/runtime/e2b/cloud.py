"""E2B through the vendor's own SDK. Nothing else imports that, and this is imported where a server is to run there: it
takes about a second."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from secrets import token_hex
from typing import Any, Final

from e2b import AsyncSandbox, SandboxQuery, SandboxState
from e2b.sandbox.sandbox_api import SandboxInfo, SandboxNetworkOpts

from toolgate.runtime.e2b.access import Access
from toolgate.runtime.e2b.box import Box
from toolgate.runtime.e2b.failures import is_refused, was_refused
from toolgate.runtime.e2b.network import Outward

__all__ = ["Cloud"]

_ATTEMPT: Final = "toolgate.attempt"
_PAGES: Final = 100
_LOOKS: Final = (0.2, 2.0, 10.0)  # seconds between looks for what was asked for and not answered


class Cloud:
    """Each method takes at most `Access.answer` seconds, and raises what the SDK raises."""

    def __init__(self, access: Access) -> None:
        self._answer = access.answer
        self._forgetting: set[asyncio.Task[None]] = set()
        self._options: dict[str, Any] = {
            "api_key": access.key,
            "api_url": access.api_url,
            "sandbox_url": access.sandbox_url,
            "http_version": access.http_version,
            "request_timeout": access.answer,
            "debug": False,  # with E2B_DEBUG the SDK would look for a sandbox on this machine, and end none
        }

    async def create(self, box: Box) -> AsyncSandbox:
        attempt = token_hex(16)
        try:
            async with asyncio.timeout(self._answer):
                return await AsyncSandbox.create(
                    template=box.template,
                    timeout=box.seconds,
                    metadata={**box.tags, _ATTEMPT: attempt},
                    network=_network(box.outward),
                    lifecycle={"on_timeout": "pause" if box.keeps else "kill", "auto_resume": False},
                    idempotency_key=attempt,
                    **self._options,
                )
        except BaseException as error:
            if not was_refused(error):
                # It may be there all the same. What cannot be asked now ends with its time.
                task = asyncio.create_task(self._forget(attempt), name="end a sandbox that nobody has")
                self._forgetting.add(task)
                task.add_done_callback(self._forgetting.discard)
            raise

    async def listed(self, tags: Mapping[str, str]) -> list[SandboxInfo]:
        async with asyncio.timeout(self._answer):
            return [info async for info in self._listed(tags)]

    async def kill(self, sandbox_id: str) -> None:
        async with asyncio.timeout(self._answer):
            await AsyncSandbox.kill(sandbox_id, **self._options)

    async def pause(self, sandbox_id: str) -> None:
        """Its disk is kept. Where the service keeps its memory only with it, that too."""
        async with asyncio.timeout(self._answer):
            try:
                await AsyncSandbox.pause(sandbox_id, mode="filesystem", **self._options)
            except Exception as error:
                if not is_refused(error):
                    raise
                await AsyncSandbox.pause(sandbox_id, **self._options)

    async def resume(self, info: SandboxInfo, outward: Outward, seconds: int) -> AsyncSandbox:
        """One that was kept, with nothing running in it."""
        if info.state is SandboxState.RUNNING:  # whoever started it is no more
            await self.pause(info.sandbox_id)
        async with asyncio.timeout(self._answer):
            try:
                sandbox = await AsyncSandbox.connect(
                    info.sandbox_id, timeout=seconds, on_resume="reboot", **self._options
                )
            except Exception as error:
                if not is_refused(error):
                    raise
                sandbox = await AsyncSandbox.connect(info.sandbox_id, timeout=seconds, **self._options)
                for process in await sandbox.commands.list():
                    await sandbox.commands.kill(process.pid)
            await sandbox.update_network({"allow_out": list(outward.allow), "deny_out": list(outward.deny)})
        return sandbox

    async def close(self) -> None:
        for task in self._forgetting:
            task.cancel()
        await asyncio.gather(*self._forgetting, return_exceptions=True)

    async def _forget(self, attempt: str) -> None:
        for pause in _LOOKS:
            await asyncio.sleep(pause)
            try:
                if found := await self.listed({_ATTEMPT: attempt}):
                    for info in found:
                        await self.kill(info.sandbox_id)
                    return
            except Exception:  # noqa: S112  # why it could not be made is what is told
                continue

    async def _listed(self, tags: Mapping[str, str]) -> AsyncIterator[SandboxInfo]:
        pages = AsyncSandbox.list(query=SandboxQuery(metadata=dict(tags)), **self._options)
        for _ in range(_PAGES):
            if not pages.has_next:
                return
            for info in await pages.next_items():
                yield info


def _network(outward: Outward) -> SandboxNetworkOpts:
    network: SandboxNetworkOpts = {"allow_public_traffic": False}
    if outward.allow:
        network["allow_out"] = list(outward.allow)
    if outward.deny:
        network["deny_out"] = list(outward.deny)
    return network
