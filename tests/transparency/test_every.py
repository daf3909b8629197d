"""Everything that the published schemas name arrives: each member, alternative, word and type, at least once."""

from typing import Any

import pytest

from tests.peers import LEGACY, MODERN
from tests.transparency import proofs
from tests.transparency.crossing import asked, crossing, entries, errors, forwarded, in_call
from tests.transparency.every import every
from tests.transparency.pair import CAPABILITIES, Pair
from tests.transparency.schema import Node, published

pytestmark = pytest.mark.asyncio(loop_scope="module")


def of(revision: str, node: Node) -> list[Any]:
    return every(published(revision), node)


@pytest.mark.parametrize("method", sorted(forwarded(LEGACY) | forwarded(MODERN)))
async def test_every_member_of_a_result_arrives(pair: Pair, method: str) -> None:
    _, result = forwarded(pair.server.era)[method]
    async with pair.open() as client:
        await proofs.results_arrive(pair, client, method, of(pair.server.era, result))


@pytest.mark.parametrize("method", sorted(forwarded(LEGACY) | forwarded(MODERN)))
async def test_every_member_of_a_request_arrives(pair: Pair, method: str) -> None:
    params, _ = forwarded(pair.client_era)[method]
    async with pair.open() as client:
        await proofs.params_arrive(pair, client, method, of(pair.client_era, params))


@pytest.mark.parametrize("method", sorted(asked(LEGACY) | asked(MODERN)))
async def test_every_member_of_a_question_and_of_its_answer_arrives(pair: Pair, method: str) -> None:
    params, answer = asked(pair.server.era)[method][0], asked(pair.client_era)[method][1]
    async with pair.open(CAPABILITIES) as client:
        await proofs.questions_arrive(pair, client, method, of(pair.server.era, params), of(pair.client_era, answer))


@pytest.mark.parametrize("method", sorted(in_call(LEGACY) | in_call(MODERN)))
async def test_every_member_of_what_is_said_in_a_call_arrives(pair: Pair, method: str) -> None:
    async with pair.open() as client:
        await proofs.notes_arrive(pair, client, method, of(pair.server.era, in_call(pair.server.era)[method]))


async def test_every_member_of_an_error_arrives(pair: Pair) -> None:
    async with pair.open() as client:
        for error in errors(pair.server.era).values():
            await proofs.errors_arrive(pair, client, of(pair.server.era, error))


async def test_every_member_of_what_is_listed_arrives(pair: Pair) -> None:
    era = pair.server.era
    async with pair.open(fresh=True) as client:
        found = {method: of(era, node) for method, node in entries(era).items()}
        await proofs.entries_arrive(pair, client, found)


async def test_every_member_that_extensions_share_with_the_core_arrives(pair: Pair) -> None:
    params = of(pair.client_era, crossing(pair.client_era)["RequestParams"])
    results = of(pair.server.era, crossing(pair.server.era)["Result"])
    async with pair.open() as client:
        await proofs.extension_arrives(pair, client, params, results)
