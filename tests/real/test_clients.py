"""Real clients meet the same servers, whether the gateway stands between them or not."""

from pathlib import Path

import pytest

from tests.parts.where import Parts
from tests.real.clients import CLIENTS, Outcome, Step, Target
from tests.real.conftest import House
from tests.running import TOOLGATE, clean_environment

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.parametrize("client", CLIENTS)]

_TEMPLATE = {"type": "ref/resource", "uri": "demo://resource/dynamic/text/{resourceId}"}
_COMPLETE: Step = ["complete", _TEMPLATE, {"name": "resourceId", "value": "12"}]
_LIST_TOOLS: Step = ["list_tools"]

# Offered only to clients that let a server ask them something, as the inspector does; the gateway lists what suits all.
_ASKING_BACK = (
    "get-roots-list",
    "trigger-elicitation-request",
    "trigger-elicitation-request-async",
    "trigger-sampling-request",
    "trigger-sampling-request-async",
    "trigger-url-elicitation",
)


def steps(client: str, prefix: str = "") -> list[Step]:
    """What a client asks server-everything. `prefix` is what the one endpoint puts before its names."""
    asked: list[Step] = [
        _LIST_TOOLS,
        ["list_resources"],
        ["list_resource_templates"],
        ["list_prompts"],
        ["call_tool", f"{prefix}echo", {"message": "gr\u00fc\u00df\u2028dich"}],
        ["call_tool", f"{prefix}get-structured-content", {"location": "New York"}],
        ["call_tool", f"{prefix}get-annotated-message", {"messageType": "error", "includeImage": True}],
        ["call_tool", f"{prefix}trigger-long-running-operation", {"duration": 0.2, "steps": 2}],
        ["get_prompt", f"{prefix}args-prompt", {"city": "Oslo"}],
        ["read_resource", "demo://resource/static/document/features.md"],
    ]
    # The inspector's command line has no completions.
    return asked if client == "inspector" else [*asked, _COMPLETE]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def directly(house: House) -> Target:
    return Target(command=house.servers["everything"].start, env=clean_environment(house.gateway.folder))


def told(outcome: Outcome) -> list[object]:
    """The answers, without what only results of the modern era have, and without what not every client is offered."""
    for answer in outcome.answers:
        result = answer.get("result", {})
        for member in ("resultType", "ttlMs", "cacheScope"):
            result.pop(member, None)
        meta = result.pop("_meta", {})
        meta.pop("io.modelcontextprotocol/serverInfo", None)
        if meta:
            result["_meta"] = meta
        if "tools" in result:
            result["tools"] = [tool for tool in result["tools"] if not tool["name"].endswith(_ASKING_BACK)]
    return outcome.answers


async def test_a_servers_own_endpoint_is_like_the_server(
    parts: Parts, house: House, client: str, directly: Target, folder: Path
) -> None:
    run = CLIENTS[client]
    direct = await run(parts, directly, steps(client), folder)
    through = await run(parts, Target(house.gateway.endpoint("everything")), steps(client), folder)
    assert told(through) == told(direct)
    assert through.version == {"python-2": "2026-07-28", "inspector": None}.get(client, "2025-11-25")


async def test_the_one_endpoint_serves_all_servers(
    parts: Parts, house: House, client: str, directly: Target, folder: Path
) -> None:
    await _compare_all(parts, house, client, directly, Target(house.gateway.endpoint()), folder)


async def test_the_relay_over_stdio_serves_all_servers(
    parts: Parts, house: House, client: str, directly: Target, folder: Path
) -> None:
    env = clean_environment(house.gateway.folder)
    await _compare_all(parts, house, client, directly, Target(command=[TOOLGATE, "stdio"], env=env), folder)


async def _compare_all(
    parts: Parts, house: House, client: str, directly: Target, through: Target, folder: Path
) -> None:
    """Lists hold what the server lists, and more; all else is as the server answers it."""
    run = CLIENTS[client]
    lists = [step for step in steps(client) if step[0].startswith("list_")]
    expected = told(await run(parts, directly, steps(client)[len(lists) :], folder))
    listed, *found = told(
        await run(parts, through, [_LIST_TOOLS, *steps(client, "everything__")[len(lists) :]], folder)
    )
    assert found == expected
    assert isinstance(listed, dict)
    names = {tool["name"].partition("__")[0] for tool in listed["result"]["tools"]}
    assert names == set(house.servers)
