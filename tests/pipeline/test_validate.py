"""A tool is not called with arguments that it says it does not take."""

import json
import logging

import pytest
from msgspec import Raw

from tests.pipeline.calls import End, a_call, a_tool
from toolgate.errors import InvalidParams
from toolgate.pipeline.stages.validate import validate
from toolgate.protocol.eras import Era

SCHEMA = {"type": "object", "properties": {"limit": {"type": "integer", "minimum": 1}}, "required": ["limit"]}


async def test_arguments_that_fit_reach_the_server_as_they_came() -> None:
    end = End()
    call = a_call(a_tool(inputSchema=SCHEMA), ' {"limit" : 9007199254740993, "more": 1e400} ')
    assert (await validate(call, end)).payload == b'{"content":[],"number":1}'
    assert end.calls == [call]


@pytest.mark.parametrize(("era", "version"), [(Era.MODERN, "2026-07-28"), (Era.LEGACY, "2025-06-18")])
async def test_arguments_that_do_not_are_answered_so_that_a_model_can_correct_them(era: Era, version: str) -> None:
    end = End()
    reply = await validate(a_call(a_tool(inputSchema=SCHEMA), '{"limit":0}', era=era, version=version), end)
    result = json.loads(reply.payload)
    assert not reply.is_error
    assert result["isError"] is True
    assert result.get("resultType") == ("complete" if era is Era.MODERN else None)
    [content] = result["content"]
    assert content["text"].startswith("The arguments do not fit the inputSchema of read, so it was not called:")
    assert "- `limit`: it is less than the minimum of 1" in content["text"]
    assert end.calls == []


async def test_no_arguments_are_the_same_as_an_empty_object() -> None:
    end = End()
    assert b"isError" in (await validate(a_call(a_tool(inputSchema=SCHEMA), None), end)).payload
    closed = a_tool(inputSchema={"type": "object", "additionalProperties": False})
    await validate(a_call(closed, None), end)
    await validate(a_call(closed, "null"), end)
    assert len(end.calls) == 2


@pytest.mark.parametrize("arguments", ["[1]", '"text"', "3", "true"])
async def test_arguments_that_are_no_object_are_a_malformed_request(arguments: str) -> None:
    with pytest.raises(InvalidParams):
        await validate(a_call(a_tool(inputSchema=SCHEMA), arguments), End())


async def test_a_retry_with_answers_is_checked_like_any_call() -> None:
    end = End()
    more = {"requestState": Raw(b'"s"'), "inputResponses": Raw(b"{}")}
    await validate(a_call(a_tool(inputSchema=SCHEMA), '{"limit":3}', more=more), end)
    assert len(end.calls) == 1
    assert b"isError" in (await validate(a_call(a_tool(inputSchema=SCHEMA), "{}", more=more), end)).payload


async def test_a_schema_that_cannot_be_used_leaves_one_line_and_its_calls_pass(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    end = End()
    tool = a_tool(inputSchema={"$ref": "https://example.com/schema.json"})
    for _ in range(3):
        await validate(a_call(tool, '{"anything":1}'), end)
    assert len(end.calls) == 3
    [line] = caplog.records
    assert line.levelname == "WARNING"
    assert "read of server docs" in line.getMessage()


@pytest.mark.parametrize("raw", [b"", b"{}", b'{"inputSchema":null}', b'{"inputSchema":[]}', b"not json"])
async def test_a_tool_without_a_schema_of_use_is_called(raw: bytes) -> None:
    end = End()
    tool = a_tool()
    await validate(a_call(type(tool)(tool.server, tool.name, raw)), end)
    assert len(end.calls) == 1


async def test_what_is_no_tool_is_passed_on() -> None:
    end = End()
    await validate(a_call(a_tool(inputSchema=False), method="prompts/get"), end)
    assert len(end.calls) == 1


async def test_a_catalogue_that_was_read_again_is_checked_by_its_new_schema() -> None:
    end = End()
    await validate(a_call(a_tool(inputSchema={"type": "object"})), end)
    assert b"isError" in (await validate(a_call(a_tool(inputSchema=SCHEMA)), end)).payload
