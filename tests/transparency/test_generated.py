"""Results and arguments of any shape that the schemas allow, with members that they do not name."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.exact import Number
from tests.transparency.conftest import Pair
from tests.transparency.wording import written

pytestmark = pytest.mark.asyncio(loop_scope="module")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
names = texts.filter(lambda name: name not in {"resultType", "ttlMs", "cacheScope", "_meta", "requestState"})
numbers = st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True).map(
    lambda text: Number(text.strip())
)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
anything = st.dictionaries(names, values, max_size=3)
icons = st.builds(lambda more: {**more, "src": "data:,x"}, anything)
annotations = st.fixed_dictionaries(
    {}, optional={"audience": st.lists(st.sampled_from(["user", "assistant"]), max_size=2), "priority": numbers}
)


def shape(required: dict[str, st.SearchStrategy[Any]], **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object with these members and with others, in any order."""
    known = st.fixed_dictionaries(required, optional={**optional, "_meta": anything})
    return st.builds(lambda more, members: {**more, **members}, anything, known)


def content(kind: str, **members: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return shape({"type": st.just(kind), **members}, annotations=annotations)


resources = shape({"uri": texts, "text": texts}, mimeType=texts) | shape({"uri": texts, "blob": texts}, mimeType=texts)
blocks = st.one_of(
    content("text", text=texts),
    content("image", data=texts, mimeType=texts),
    content("audio", data=texts, mimeType=texts),
    content("resource_link", uri=texts, name=texts, icons=st.lists(icons, max_size=1), size=numbers),
    content("resource", resource=resources),
)
messages = shape({"role": st.sampled_from(["user", "assistant"]), "content": blocks})
completions = shape({"values": st.lists(texts, max_size=3)}, total=numbers, hasMore=st.booleans())
RESULTS = {
    "tools/call": shape({"content": st.lists(blocks, max_size=3)}, structuredContent=values, isError=st.booleans()),
    "prompts/get": shape({"messages": st.lists(messages, max_size=2)}, description=texts),
    "resources/read": shape({"contents": st.lists(resources, max_size=2)}, ttlMs=st.just(Number("5"))),
    "completion/complete": shape({"completion": completions}),
}
errors = shape(
    {"code": st.integers(-99_999, -40_000).map(lambda code: Number(str(code))), "message": texts}, data=values
)
generated = settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    derandomize=True,
    database=None,
)


def asked(pair: Pair, method: str) -> dict[str, Any]:
    params: dict[str, dict[str, Any]] = {
        "tools/call": {"name": "zebra", "arguments": {}},
        "prompts/get": {"name": "zulu"},
        "resources/read": {"uri": f"{pair.name}://z"},
        "completion/complete": {
            "ref": {"type": "ref/prompt", "name": "zulu"},
            "argument": {"name": "who", "value": ""},
        },
    }
    return params[method]


@pytest.mark.parametrize("method", RESULTS)
@generated
@given(data=st.data())
async def test_any_result_arrives(pair: Pair, method: str, data: st.DataObject) -> None:
    async with pair.open() as client:
        for result in data.draw(st.lists(RESULTS[method], min_size=3, max_size=3)):
            await pair.returned(client, method, asked(pair, method), result)


@generated
@given(several=st.lists(errors, min_size=3, max_size=3))
async def test_any_error_arrives(pair: Pair, several: list[dict[str, Any]]) -> None:
    async with pair.open() as client:
        for error in several:
            await pair.refused(client, "tools/call", asked(pair, "tools/call"), error)


@generated
@given(arguments=anything, more=anything)
async def test_any_arguments_arrive(pair: Pair, arguments: dict[str, Any], more: dict[str, Any]) -> None:
    params = {**more, "name": "zebra", "arguments": arguments}
    params.pop("inputResponses", None)
    async with pair.open() as client:
        _, turn = await pair.returned(client, "tools/call", params, {"content": []})
    assert written({name: value for name, value in turn.params.items() if name != "_meta"}) == written(params)
