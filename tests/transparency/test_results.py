"""What a server answers arrives as it was answered."""

from typing import Any

import pytest

from tests.exact import Number
from tests.transparency.offer import ICONS, ODD
from tests.transparency.pair import Pair
from tests.transparency.scripted import Turn
from tests.transparency.wording import written

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANNOTATIONS = {"audience": ["assistant"], "priority": Number("1.0"), "lastModified": "2025-01-12T15:00:58Z", "x": ODD}
AROUND = {"annotations": ANNOTATIONS, "_meta": {"example.com/m": ODD}, "unknown": ODD}
CONTENT: dict[str, dict[str, Any]] = {
    "text": {"type": "text", "text": ODD["lines"], **AROUND},
    "image": {"type": "image", "data": "aGk=", "mimeType": "image/png", **AROUND},
    "audio": {"type": "audio", "data": "aGk", "mimeType": "audio/wav", **AROUND},
    "resource-link": {
        "type": "resource_link",
        "uri": "x://y",
        "name": "n",
        "icons": ICONS,
        "size": ODD["big"],
        **AROUND,
    },
    "embedded-text": {"type": "resource", "resource": {"uri": "x://y", "text": ODD["astral"], **AROUND}, **AROUND},
    "embedded-blob": {"type": "resource", "resource": {"uri": "x://y", "blob": "AAE=", **AROUND}, **AROUND},
    "of-another-revision": {"type": "hologram", "voxels": [ODD]},
}
STRUCTURED = {
    "object": ODD,
    "array": [Number("1.10"), ODD],
    "string": ODD["astral"],
    "integer": Number("-9007199254740993"),
    "fraction": Number("0.1000"),
    "exponent": Number("1E400"),
    "true": True,
    "false": False,
    "null": None,
}
CALL = {"name": "zebra", "arguments": {}}


@pytest.mark.parametrize("content", CONTENT.values(), ids=CONTENT)
async def test_content_of_a_tool_arrives(pair: Pair, content: dict[str, Any]) -> None:
    async with pair.open() as client:
        await pair.returned(client, "tools/call", CALL, {"content": [content, content], "isError": True})


@pytest.mark.parametrize("value", STRUCTURED.values(), ids=STRUCTURED)
async def test_structured_content_of_every_json_type_arrives(pair: Pair, value: Any) -> None:
    async with pair.open() as client:
        await pair.returned(client, "tools/call", CALL, {"content": [], "structuredContent": value, "isError": False})


async def test_what_no_revision_names_arrives(pair: Pair) -> None:
    async with pair.open() as client:
        result = {"content": [], "_meta": {"example.com/a": ODD, "unprefixed": Number("1.10")}, "unknown": ODD, **ODD}
        await pair.returned(client, "tools/call", CALL, result)


async def test_a_megabyte_arrives(pair: Pair) -> None:
    async with pair.open() as client:
        result = {"content": [{"type": "text", "text": "m\u2028" * 262_144}]}
        await pair.returned(client, "tools/call", CALL, result)


async def test_a_result_arrives_at_the_end_of_a_stream_too(pair: Pair) -> None:
    result = {"content": list(CONTENT.values()), "structuredContent": ODD}

    async def script(turn: Turn) -> str:
        await turn.tell("notifications/progress", {"progressToken": turn.token, "progress": Number("1.0")})
        return written(result if pair.server.era < "2026" else {"resultType": "complete", **result})

    pair.server.script = script
    async with pair.open() as client:
        heard = await client.request("tools/call", {**CALL, "_meta": {"progressToken": Number("7")}})
    assert heard.told("notifications/progress") == [{"progressToken": Number("7"), "progress": Number("1.0")}]
    assert {name: heard.result[name] for name in result} == result


@pytest.mark.parametrize("code", ["-32602", "-32002", "-32603", "-32000", "-1", "42", "1234567"])
async def test_an_error_keeps_its_code_and_its_data(pair: Pair, code: str) -> None:
    async with pair.open() as client:
        error = {"code": Number(code), "message": ODD["lines"], "data": ODD, "unknown": ODD}
        await pair.refused(client, "tools/call", CALL, error)


@pytest.mark.parametrize("data", STRUCTURED.values(), ids=STRUCTURED)
async def test_the_data_of_an_error_may_be_anything(pair: Pair, data: Any) -> None:
    async with pair.open() as client:
        await pair.refused(client, "prompts/get", {"name": "zulu"}, {"code": Number("-5"), "message": "", "data": data})


async def test_a_prompt_arrives(pair: Pair) -> None:
    messages = [
        {"role": role, "content": content, "x": ODD} for role in ("user", "assistant") for content in CONTENT.values()
    ]
    async with pair.open() as client:
        result = {"description": ODD["lines"], "messages": messages, "_meta": {"m": ODD}, "unknown": ODD}
        await pair.returned(client, "prompts/get", {"name": "zulu", "arguments": {"who": "me"}}, result)


async def test_a_resource_arrives(pair: Pair) -> None:
    uri = f"{pair.name}://z"
    parts = [
        {"uri": uri, "mimeType": "text/plain", "text": ODD["lines"], "_meta": {"m": ODD}, "x": ODD},
        {"uri": f"{uri}/2", "blob": "AAEC/w==", "x": ODD},
    ]
    async with pair.open() as client:
        await pair.returned(client, "resources/read", {"uri": uri}, {"contents": parts, "_meta": {"m": ODD}, "y": ODD})


async def test_a_completion_arrives(pair: Pair) -> None:
    completion = {"values": ["a", ODD["lines"], ODD["astral"]], "total": ODD["beyond"], "hasMore": True, "x": ODD}
    params = {"ref": {"type": "ref/prompt", "name": "zulu"}, "argument": {"name": "who", "value": "a"}}
    async with pair.open() as client:
        await pair.returned(client, "completion/complete", params, {"completion": completion, "x": ODD})
