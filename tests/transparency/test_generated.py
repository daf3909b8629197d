"""Messages of any shape that the published schemas allow arrive, with members that no revision names."""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.peers import LEGACY, MODERN
from tests.transparency import proofs
from tests.transparency.crossing import asked, crossing, entries, errors, forwarded, in_call
from tests.transparency.drawn import drawn
from tests.transparency.pair import CAPABILITIES, PAIRS, Pair, name_of
from tests.transparency.schema import Node, published

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEVERAL = 3  # messages an example: a new client is what costs
generated = settings(
    max_examples=3,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # to make a failure small takes hundreds of tries, and one that hangs takes long
)


def of(data: st.DataObject, revision: str, *nodes: Node) -> list[Any]:
    schema = published(revision)
    each = st.one_of([drawn(schema, node) for node in nodes])
    found: list[Any] = data.draw(st.lists(each, min_size=SEVERAL, max_size=SEVERAL))
    return found


@pytest.mark.parametrize("method", sorted(forwarded(LEGACY) | forwarded(MODERN)))
@generated
@given(data=st.data())
async def test_any_result_arrives(pair: Pair, method: str, data: st.DataObject) -> None:
    _, result = forwarded(pair.server.era)[method]
    async with pair.open() as client:
        await proofs.results_arrive(pair, client, method, of(data, pair.server.era, result))


@pytest.mark.parametrize("method", sorted(forwarded(LEGACY) | forwarded(MODERN)))
@generated
@given(data=st.data())
async def test_any_request_arrives(pair: Pair, method: str, data: st.DataObject) -> None:
    params, _ = forwarded(pair.client_era)[method]
    async with pair.open() as client:
        await proofs.params_arrive(pair, client, method, of(data, pair.client_era, params))


@pytest.mark.parametrize("method", sorted(asked(LEGACY) | asked(MODERN)))
@generated
@given(data=st.data())
async def test_any_question_and_any_answer_arrive(pair: Pair, method: str, data: st.DataObject) -> None:
    params, answer = asked(pair.server.era)[method][0], asked(pair.client_era)[method][1]
    questions, answers = of(data, pair.server.era, params), of(data, pair.client_era, answer)
    async with pair.open(CAPABILITIES) as client:
        await proofs.questions_arrive(pair, client, method, questions, answers)


@pytest.mark.parametrize("method", sorted(in_call(LEGACY) | in_call(MODERN)))
@generated
@given(data=st.data())
async def test_anything_that_is_said_in_a_call_arrives(pair: Pair, method: str, data: st.DataObject) -> None:
    notes = of(data, pair.server.era, in_call(pair.server.era)[method])
    async with pair.open() as client:
        await proofs.notes_arrive(pair, client, method, notes)


@generated
@given(data=st.data())
async def test_any_error_arrives(pair: Pair, data: st.DataObject) -> None:
    async with pair.open() as client:
        await proofs.errors_arrive(pair, client, of(data, pair.server.era, *errors(pair.server.era).values()))


@pytest.mark.parametrize("pair", [each for each in PAIRS if each.way != "stdio"], indirect=True, ids=name_of)
@settings(generated, max_examples=2)
@given(data=st.data())
async def test_anything_that_is_listed_arrives(pair: Pair, data: st.DataObject) -> None:
    era = pair.server.era
    found = {method: of(data, era, node) for method, node in entries(era).items()}
    async with pair.open(fresh=True) as client:
        await proofs.entries_arrive(pair, client, found)


@generated
@given(data=st.data())
async def test_anything_of_an_extension_arrives(pair: Pair, data: st.DataObject) -> None:
    params = of(data, pair.client_era, crossing(pair.client_era)["RequestParams"])
    results = of(data, pair.server.era, crossing(pair.server.era)["Result"])
    async with pair.open() as client:
        await proofs.extension_arrives(pair, client, params, results)
