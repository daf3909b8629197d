"""What a client sends arrives at the server as it was sent."""

from typing import Any

import pytest

from tests.exact import Number
from tests.transparency.offer import ODD
from tests.transparency.pair import Pair
from tests.transparency.scripted import META

pytestmark = pytest.mark.asyncio(loop_scope="module")

RESULTS: dict[str, dict[str, Any]] = {
    "tools/call": {"content": []},
    "prompts/get": {"messages": []},
    "resources/read": {"contents": []},
    "completion/complete": {"completion": {"values": []}},
}


async def arrives(pair: Pair, method: str, params: dict[str, Any]) -> None:
    async with pair.open() as client:
        await pair.arrived(client, method, params, RESULTS[method])


@pytest.mark.parametrize("arguments", [{}, ODD, {"x": "m" * 1_048_576}], ids=["none", "odd", "large"])
async def test_arguments_of_a_tool_arrive(pair: Pair, arguments: dict[str, Any]) -> None:
    await arrives(pair, "tools/call", {"name": "zebra", "arguments": arguments, "unknown": ODD})


async def test_arguments_that_are_absent_stay_absent(pair: Pair) -> None:
    await arrives(pair, "tools/call", {"name": "zebra"})


async def test_what_a_client_notes_in_meta_arrives(pair: Pair) -> None:
    meta = {"example.com/a": ODD, "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "": None}
    await arrives(pair, "tools/call", {"name": "zebra", "arguments": {}, "_meta": meta})


async def test_arguments_of_a_prompt_arrive(pair: Pair) -> None:
    await arrives(pair, "prompts/get", {"name": "zulu", "arguments": {"who": ODD["lines"]}, "unknown": ODD})


async def test_the_wish_for_a_resource_arrives(pair: Pair) -> None:
    await arrives(pair, "resources/read", {"uri": f"{pair.name}://t/%20x", "unknown": ODD})


@pytest.mark.parametrize("kind", ["prompt", "template"])
async def test_a_completion_arrives_with_its_context(pair: Pair, kind: str) -> None:
    reference = {
        "prompt": {"type": "ref/prompt", "name": "zulu", "title": "Z", "x": ODD},
        "template": {"type": "ref/resource", "uri": f"{pair.name}://t/{{x}}", "x": ODD},
    }[kind]
    argument = {"name": "who", "value": ODD["lines"], "x": ODD}
    context = {"arguments": {"other": ODD["astral"]}, "x": ODD}
    await arrives(pair, "completion/complete", {"ref": reference, "argument": argument, "context": context, "y": ODD})


async def test_a_modern_server_is_told_what_the_client_can_be_asked(pair: Pair) -> None:
    capabilities = {"elicitation": {"form": {}, "url": {}}, "roots": {}, "sampling": {"tools": {}, "x": [True]}}
    async with pair.open(capabilities) as client:
        _, turn = await pair.returned(client, "tools/call", {"name": "zebra"}, {"content": []})
    if pair.server.era > "2026":
        assert turn.params["_meta"][f"{META}clientCapabilities"] == capabilities
    else:
        opened = await pair.server.until(lambda message: message.get("method") == "tools/call")
        assert opened["params"] == {"name": "zebra"}


async def test_the_one_endpoint_changes_the_name_alone(pair: Pair) -> None:
    async with pair.open(one_endpoint=True) as client:
        params = {"name": f"{pair.name}__zebra", "arguments": ODD, "x": Number("1.10")}
        _, turn = await pair.returned(client, "tools/call", params, {"content": [], "structuredContent": ODD})
    assert {name: value for name, value in turn.params.items() if name != "_meta"} == {**params, "name": "zebra"}
