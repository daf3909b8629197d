"""Real clients, each behind one function: connect there, take these steps, tell what came of them."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcp import Client, MCPError, StdioServerParameters
from mcp.client.sse import sse_client
from mcp_types import PromptReference, ResourceTemplateReference

from tests.parts.where import ROOT, Parts

__all__ = ["CLIENTS", "Outcome", "Run", "Step", "Target"]

Step = Sequence[Any]
"""An operation by its name in the Python SDK, and its arguments."""


@dataclass(frozen=True)
class Target:
    """A URL, or a command with its environment."""

    url: str = ""
    command: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """The revision that was agreed on, where the client tells, and one answer a step."""

    version: str | None
    answers: list[Any]


Run = Callable[[Parts, Target, Sequence[Step], Path], Awaitable[Outcome]]


async def _python(mode: str, target: Target, steps: Sequence[Step]) -> Outcome:
    answers = []
    async with Client(_server(target), mode=mode, cache=None, read_timeout_seconds=60) as client:
        for operation, *arguments in steps:
            try:
                answers.append(await _step(client, operation, *arguments))
            except MCPError as error:
                answers.append({"error": {"code": error.code, "message": error.message}})
        return Outcome(client.protocol_version, answers)


def _server(target: Target) -> Any:
    if target.url:
        return sse_client(target.url) if target.url.endswith("/sse") else target.url
    command, *args = target.command
    return StdioServerParameters(command=command, args=args, env=dict(target.env))


async def _step(client: Client, operation: str, *arguments: Any) -> Any:
    seen: list[Any] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        seen.append([progress, total, message])

    match operation:
        case "call_tool":
            result: Any = await client.call_tool(arguments[0], arguments[1], progress_callback=note)
        case "complete":
            kind = PromptReference if "name" in arguments[0] else ResourceTemplateReference
            result = await client.complete(kind(**arguments[0]), arguments[1])
        case _:
            result = await getattr(client, operation)(*arguments)
    return {"result": result.model_dump(mode="json", by_alias=True, exclude_none=True), "progress": seen}


async def python_2(parts: Parts, target: Target, steps: Sequence[Step], folder: Path) -> Outcome:
    return await _python("auto", target, steps)


async def python_2_legacy(parts: Parts, target: Target, steps: Sequence[Step], folder: Path) -> Outcome:
    return await _python("legacy", target, steps)


async def python_1(parts: Parts, target: Target, steps: Sequence[Step], folder: Path) -> Outcome:
    task = {**_task(target), "steps": steps}
    return _outcome(await _program(parts.python1("tests.parts.mcp1.client"), folder, task))


async def typescript(parts: Parts, target: Target, steps: Sequence[Step], folder: Path) -> Outcome:
    """Without each last report of progress: this SDK loses one that it reads together with the answer."""
    task = {**_task(target), "steps": steps, "packages": str(parts.npm)}
    outcome = _outcome(await _program(["node", str(ROOT / "tests/parts/npm/client.cjs")], folder, task))
    for answer in outcome.answers:
        answer["progress"] = [report for report in answer.get("progress", []) if report[0] != report[1]]
    return outcome


async def inspector(parts: Parts, target: Target, steps: Sequence[Step], folder: Path) -> Outcome:
    """One process a step, since that is how the command line of the inspector works. Side by side, since each waits
    two seconds for a server that does not end by itself."""
    program = parts.node("inspector", "clients/launcher/build/index.js")
    environment = [word for name, value in target.env.items() for word in ("-e", f"{name}={value}")]
    there = [target.url] if target.url else [*environment, *target.command]
    printed = await asyncio.gather(*(_program([*program, "--cli", *there, *_flags(step)], folder) for step in steps))
    return Outcome(None, [{"result": json.loads(text), "progress": []} for text in printed])


def _flags(step: Step) -> list[str]:
    operation, *arguments = step
    match operation:
        case "call_tool":
            name, given = arguments
            return ["--method", "tools/call", "--tool-name", name, "--tool-args-json", json.dumps(given)]
        case "get_prompt":
            name, given = arguments
            pairs = [f"{key}={value}" for key, value in given.items()]
            return ["--method", "prompts/get", "--prompt-name", name, *(["--prompt-args", *pairs] if pairs else [])]
        case "read_resource":
            return ["--method", "resources/read", "--uri", arguments[0]]
        case "list_resource_templates":
            return ["--method", "resources/templates/list"]
        case _:
            return ["--method", f"{operation.removeprefix('list_')}/list"]


CLIENTS: Mapping[str, Run] = {
    "python-2": python_2,
    "python-2-legacy": python_2_legacy,
    "python-1": python_1,
    "typescript": typescript,
    "inspector": inspector,
}


def _task(target: Target) -> dict[str, Any]:
    return {"url": target.url} if target.url else {"command": target.command, "env": target.env}


def _outcome(printed: str) -> Outcome:
    return Outcome(**json.loads(printed))


async def _program(command: Sequence[str], folder: Path, task: Any = None) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT)},
    )
    async with asyncio.timeout(90):
        out, err = await process.communicate(json.dumps(task).encode() if task else None)
    assert process.returncode == 0, f"{command} ended with {process.returncode}: {err.decode()}{out.decode()}"
    return out.decode()
