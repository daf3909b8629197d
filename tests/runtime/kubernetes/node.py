"""A node: what a kubelet does with a pod, with a child process of this machine for the container."""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.runtime.kubernetes.objects import Json, Objects

__all__ = ["IMAGE", "Container", "Node"]

IMAGE = "registry.example/machine@sha256:" + "0" * 64
"""The image in which everything of this machine is."""
MEMORY = 8 * 2**30


class Container:
    """One process, what it said, and who is attached to it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.log = b""
        self.attached: list[web.WebSocketResponse] = []
        self.spoken = asyncio.gather(self._pump(1, process.stdout), self._pump(2, process.stderr))

    async def _pump(self, channel: int, stream: asyncio.StreamReader | None) -> None:
        assert stream is not None
        while data := await stream.read(65536):
            self.log += data
            for socket in list(self.attached):
                with contextlib.suppress(ConnectionError):
                    await socket.send_bytes(bytes((channel,)) + data)

    async def ended(self) -> int:
        code = await self.process.wait()
        # The whole of a pod ends with its container.
        self.signal(signal.SIGKILL)
        await self.spoken
        for socket in list(self.attached):
            with contextlib.suppress(ConnectionError):
                await socket.send_bytes(b'\x03{"kind":"Status","status":"Success"}')
                await socket.close()
        return 128 - code if code < 0 else code

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


class Node:
    """Runs what is scheduled: `images` are those that can be fetched, `folder` has the homes that survive."""

    def __init__(self, objects: Objects, folder: Path) -> None:
        self.images = {IMAGE}
        self.containers: dict[str, Container] = {}
        self.holds = asyncio.Event()
        """Clear, pods stay where they are."""
        self.holds.set()
        self._objects = objects
        self._folder = folder
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}
        objects.heard.append(self._hear)

    async def close(self) -> None:
        for container in self.containers.values():
            container.signal(signal.SIGKILL)
        tasks = [*self._tasks.values(), *self._ending.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for container in self.containers.values():
            await container.process.wait()

    def end(self, name: str, grace: int) -> None:
        """SIGTERM, and SIGKILL after `grace` seconds. With none the object goes at once, as a real one does."""
        if not grace:
            self._objects.remove("pods", name)
        if grace or name not in self._ending:
            self._ending[name] = asyncio.create_task(self._end(name, grace))

    def _hear(self, kind: str, what: str, each: Json) -> None:
        if kind == "pods" and what == "ADDED":
            name = each["metadata"]["name"]
            self._tasks[name] = asyncio.create_task(self._run(name, each))

    async def _end(self, name: str, grace: int) -> None:
        if container := self.containers.get(name):
            if grace:
                container.signal(signal.SIGTERM)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(container.process.wait(), grace)
            container.signal(signal.SIGKILL)
            await container.process.wait()
            await asyncio.wait([self._tasks[name]])
        elif task := self._tasks.get(name):
            task.cancel()
        self._objects.remove("pods", name)

    async def _run(self, name: str, pod: Json) -> None:
        await self.holds.wait()
        spec = pod["spec"]
        [container] = spec["containers"]
        if int(container["resources"]["limits"]["memory"]) > MEMORY:
            message = "0/1 nodes are available: 1 Insufficient memory."
            condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
            self._change(name, {"status": {"phase": "Pending", "conditions": [condition]}})
            return
        self._change(name, {"spec": {"nodeName": "node"}})
        self._state(name, "Pending", {"waiting": {"reason": "ContainerCreating"}})
        image = container["image"]
        if image not in self.images:
            told = f'failed to pull and unpack image "{image}": not found'
            self._state(name, "Pending", {"waiting": {"reason": "ErrImagePull", "message": told}})
            told = f'Back-off pulling image "{image}"'
            self._state(name, "Pending", {"waiting": {"reason": "ImagePullBackOff", "message": told}})
            return
        try:
            environment = self._environment(container["env"], pod)
        except KeyError as missing:
            told = f"secret {missing} not found"
            self._state(name, "Pending", {"waiting": {"reason": "CreateContainerConfigError", "message": told}})
            return
        command = [expanded(word, environment) for word in (*container.get("command", ()), *container["args"])]
        try:
            process = await begun(command, environment, container.get("workingDir"))
        except FileNotFoundError:
            message = f'exec: "{command[0]}": stat {command[0]}: no such file or directory'
            terminated = {"exitCode": 128, "reason": "StartError", "message": message}
            self._state(name, "Failed", {"terminated": terminated})
            return
        box = self.containers[name] = Container(process)
        self._state(name, "Running", {"running": {}})
        code = await box.ended()
        reason = {0: "Completed", 137: "OOMKilled" if b"out of memory" in box.log else "Error"}.get(code, "Error")
        self._state(name, "Failed" if code else "Succeeded", {"terminated": {"exitCode": code, "reason": reason}})

    def _environment(self, variables: Sequence[Mapping[str, Any]], pod: Json) -> dict[str, str]:
        """Names are taken from the pod, values from its secret. Raises KeyError where that is not there."""
        found = {"PATH": os.environ["PATH"]}
        for each in variables:
            value = each.get("value")
            if value is None:
                wanted = each["valueFrom"]["secretKeyRef"]
                secret = self._objects.get("secrets", wanted["name"])
                if secret is None:
                    raise KeyError(wanted["name"])
                value = secret["stringData"][wanted["key"]]
            found[each["name"]] = value
        [home] = [volume for volume in pod["spec"]["volumes"] if volume["name"] == "home"]
        claim = home.get("persistentVolumeClaim", {}).get("claimName")
        place = self._folder / (claim or pod["metadata"]["name"])
        place.mkdir(exist_ok=True)
        return found | {"HOME": str(place)}

    def _state(self, name: str, phase: str, state: Json) -> None:
        statuses = [{"name": "server", "state": state}]
        self._change(name, {"status": {"phase": phase, "containerStatuses": statuses}})

    def _change(self, name: str, with_: Json) -> None:
        self._objects.change("pods", name, with_)


async def begun(command: Sequence[str], environment: Mapping[str, str], cwd: str | None) -> asyncio.subprocess.Process:
    """One that is no longer wanted is ended, and not forgotten."""
    beginning = asyncio.create_task(
        asyncio.create_subprocess_exec(
            *command, env=environment, start_new_session=True, cwd=cwd, limit=2**20,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )
    )  # fmt: skip
    try:
        return await asyncio.shield(beginning)
    except asyncio.CancelledError:
        process = await beginning
        process.kill()
        await process.communicate()
        raise


def expanded(word: str, environment: Mapping[str, str]) -> str:
    """`$(NAME)` is a variable, `$$` a sign, and any other sign stands for itself."""

    def one(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else environment.get(found[1], found[0])

    return re.sub(r"\$\$|\$\(([^)]*)\)", one, word)
