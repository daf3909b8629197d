"""Who and how many are let in without a task, and what is known of it afterwards."""

import logging
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.inbound.express import House, begun, handed_over, meta, opened
from tests.inbound.far import OK, Heard, echo
from toolgate.identity import api_keys
from toolgate.inbound import app


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing fails without an answer that says so."""
    yield
    assert not [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    "limits",
    [{"principal_rate": "5/hour"}, {"tool_rate": "5/hour"}, {"server_rate": "5/hour"}, {"total_rate": "5/hour"}],
)
async def test_a_bucket_lets_in_as_many_as_it_holds(tmp_path: Path, limits: dict[str, str]) -> None:
    async with opened(tmp_path, limits=limits) as house, house.known() as client:
        answers = [await client.call(b"1") for _ in range(6)]
        house.take_the_long_road()
        other = await client.call(b"1")
        exposed = await client.get("/metrics")
    assert [answer.status for answer in answers] == [200] * 4 + [429] * 2
    assert f'toolgate_refusals_total{{limit="{next(iter(limits)).removesuffix("_rate")}"}} 3' in exposed
    assert house.took == [True] * 4 + [False] * 2
    assert other.message["error"]["code"] == answers[-1].message["error"]["code"]
    assert len(house.far.heard) == 5


async def test_what_a_task_takes_over_is_charged_once(tmp_path: Path) -> None:
    async with opened(tmp_path, limits={"total_rate": "3/hour"}) as house, house.known() as client:

        async def refuse(call: Heard) -> None:
            call.answer(b'{"jsonrpc":"2.0","id":%b,"error":{"code":-1,"message":"no"}}' % call.key)

        house.far.script = refuse
        answers = [await client.call(b"1") for _ in range(3)]
    assert [answer.message["error"]["code"] for answer in answers[:2]] == [-1, -1]
    assert (answers[2].status, house.took) == (429, [True, True, False])


async def test_as_many_calls_are_under_way_as_may_be(tmp_path: Path) -> None:
    async with opened(tmp_path, limits={"calls": 1}) as house, house.known() as client, house.client() as other:
        heard = await begun(house, client)
        assert house.limit.under_way == 1
        assert (await other.call(b"2")).status == 503
        heard.give()
        assert (await client.receive()).status == 200
        heard = await begun(house, other)
        heard.give()
        assert (await other.receive()).status == 200
    assert house.took == [True, False, True]
    assert not house.limit.under_way


async def test_where_each_caller_may_have_so_many_calls_the_long_road_counts_them(tmp_path: Path) -> None:
    async with opened(tmp_path, limits={"calls_per_principal": 1}) as house, house.known() as client:
        heard = await begun(house, client, taken=False)
        async with house.client() as other:
            assert (await other.call(b"2")).status == 429
        heard.give()
        assert (await client.receive()).status == 200


async def keyed(house: House, *teams: str, expires: float | None = None) -> str:
    """The header line of a new key."""
    _, text = await api_keys.create(house.keys._keys, "somebody", expires, teams)
    await house.keys.refresh()
    return f"Authorization: Bearer {text.reveal()}\r\n"


async def test_a_key_that_is_revoked_is_refused_at_once(house: House) -> None:
    line = await keyed(house)
    async with house.known(lines=line) as client:
        assert (await client.call(b"1")).status == 200
        await api_keys.revoke(house.keys._keys, "somebody")
        await house.keys.refresh()
        assert (await client.call(b"2")).status == 401
    assert house.took == [True]
    assert len(house.far.heard) == 2
    assert [record["principal_name"] for record in await house.audit()] == ["somebody"] * 2


async def test_a_key_that_has_expired_is_refused(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "_ADMITTED", 0.0)  # seconds that nobody looks again
    line = await keyed(house, expires=time.time() + 3_600)
    async with house.known(lines=line) as client:
        assert (await client.call(b"1")).status == 200
        house.keys._now = lambda: time.time() + 4_000
        assert (await client.call(b"2")).status == 401
    assert house.took == [True]


ALLOWED = {"access": {"teams": {"crew": {"allow": ["one"]}}}}
FORBIDDEN = {"access": {"teams": {"crew": {"allow": ["two"]}}}}


async def test_a_rule_holds_from_the_next_request_on(tmp_path: Path) -> None:
    async with opened(tmp_path, **ALLOWED) as house:
        line = await keyed(house, "crew")
        async with house.known(lines=line) as client:
            assert (await client.call(b"1")).status == 200
            await house.reload(**FORBIDDEN)
            assert (await client.call(b"2")).status == 403
            await house.reload(**ALLOWED)
            assert (await client.call(b"3")).status == 200
    assert house.took == [True, False, True]
    assert len(house.far.heard) == 3


@pytest.mark.parametrize("ends", ["with a result", "with an error", "in silence"])
async def test_a_rule_that_changes_meanwhile_is_not_for_a_call_that_was_let_in(tmp_path: Path, ends: str) -> None:
    async with opened(tmp_path, **ALLOWED) as house:
        line = await keyed(house, "crew")
        async with house.known(lines=line) as client:
            heard = await begun(house, client)
            await house.reload(**FORBIDDEN)
            if ends == "with an error":
                heard.answer(b'{"jsonrpc":"2.0","id":%b,"error":{"code":-1,"message":"no"}}' % heard.key)
            else:
                if ends == "in silence":
                    await handed_over(house)
                heard.give()
            answer = await client.receive()
            assert answer.status == 200
            assert (b'"error"' in answer.body) == (ends == "with an error")
            await house.reload(**ALLOWED)
            house.far.script = echo
            assert (await client.call(b"1")).status == 200
            assert house.far.heard[-1].peer == heard.peer
        assert house.is_empty()
        assert len(await house.audit()) == 3


# What is known of it afterwards


async def test_each_call_is_counted_once(house: House) -> None:
    failed = b'{"resultType":"complete","isError":true,"content":[]}'

    async def answer(call: Heard) -> None:
        if call.params["arguments"] == b'{"n":1}':
            call.give(failed)
        elif call.params["arguments"] == b'{"n":2}':
            call.answer(b'{"jsonrpc":"2.0","id":%b,"error":{"code":-1,"message":"no"}}' % call.key)
        elif call.params["arguments"] == b'{"n":3}':
            call.close()
        else:
            call.give()

    async with house.known() as client:
        house.far.script = answer
        bodies = [b'{"n":%d}' % number for number in range(4)]
        answers = [await client.call(b"1", arguments) for arguments in bodies]
        sizes = [len(client.request(b"1", arguments).partition(b"\r\n\r\n")[2]) for arguments in bodies]
        records = (await house.audit())[1:]
        assert [record["outcome"] for record in records] == ["ok", "failed", "error", "server-unavailable"]
        assert [record["request"] for record in records] == [answer.own["x-request-id"] for answer in answers]
        assert [record["sent"] for record in records] == sizes
        assert [record["received"] for record in records[:2]] == [len(OK), len(failed)]
        assert all(0 < record["seconds"] < 5 for record in records)
        assert {(record["server"], record["name"], record["method"], record["era"]) for record in records} == {
            ("one", "echo", "tools/call", "modern")
        }
        [row] = (await client.get("/api/v1/usage?by=server"))["rows"]
        assert row["calls"] == 5
        metrics = await client.get("/metrics")
    counted = [line for line in metrics.splitlines() if line.startswith("toolgate_calls_total{")]
    assert sum(float(line.rpartition(" ")[2]) for line in counted) == 5
    assert 'toolgate_calls_in_flight{server="one"} 0' in metrics.replace(".0\n", "\n")
    assert house.took[0] is True
    assert house.upstream().status.calls == 5


async def test_calls_that_are_traced_take_the_long_road(tmp_path: Path) -> None:
    tracing = {"endpoint": "http://127.0.0.1:9", "ratio": 1.0}
    async with opened(tmp_path, tracing=tracing) as house, house.known() as client:
        for _ in range(5):
            assert (await client.call(b"1")).status == 200
        traces = [heard.lines["traceparent"] for heard in house.far.heard]
        assert house.took == [False] * 5
        assert all(record["trace"] for record in await house.audit())
    assert len({trace.split("-")[1] for trace in traces}) == 6
    assert {trace.split("-")[3] for trace in traces} == {"01"}


async def test_a_share_of_calls_is_traced_among_those_that_take_the_lane(tmp_path: Path) -> None:
    tracing = {"endpoint": "http://127.0.0.1:9", "ratio": 0.5}
    async with opened(tmp_path, tracing=tracing) as house, house.known() as client:
        for _ in range(200):
            assert (await client.call(b"1")).status == 200
        sampled = [heard.lines["traceparent"].endswith("-01") for heard in house.far.heard[1:]]
        recorded = [bool(record["trace"]) for record in (await house.audit())[1:]]
    assert sampled == recorded == [not taken for taken in house.took]
    assert 50 < sum(sampled) < 150


async def test_a_call_with_a_trace_of_its_own_goes_on_with_it(house: House) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    async with house.client(lines=f"traceparent: {trace}\r\n") as client:
        for _ in range(2):
            assert (await client.call(b"1")).status == 200
    async with house.known() as client:
        assert (await client.call(b"1", meta=meta(traceparent=trace))).status == 200
        assert (await client.call(b"1")).status == 200
    assert house.took == [False, True]
    traces = [heard.lines["traceparent"] for heard in house.far.heard]
    assert [sent == trace for sent in traces] == [True, True, False, True, False]
