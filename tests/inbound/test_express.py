"""A call that needs no task is answered as over the long road, whatever its server makes of it."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.inbound.express import Answer, Client, House, meta, opened, serving
from tests.inbound.far import OK, Heard, Script, echo, server

ODD = b'{ "b":1.10,"a":[1e400,-0,12345678901234567890123],"t":"\\u00fc \\/" }'


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(tmp_path) as made:
        yield made


@dataclass
class Pair:
    """Two gateways in front of one server, which has a name for each of `ANSWERS`."""

    lane: House
    road: House

    async def answers(self, kind: str, script: Script, **call: Any) -> tuple[Answer, Answer]:
        """What a call without a task and one over the long road are answered, which leave the same behind."""
        name = _NAMES[kind]
        lane, lane_left = await self._answer(self.lane, name, script, call)
        assert self.lane.took == [True]
        road, road_left = await self._answer(self.road, name, script, call)
        assert lane_left == road_left
        return lane, road

    async def _answer(self, house: House, name: str, script: Script, call: Any) -> tuple[Answer, Any]:
        async with house.known(name=f"{name}__echo") as client:
            upstream = house.upstream(name)
            link, calls = upstream.link, upstream.status.calls
            house.far.script = script
            answer = await client.call(b'"k"', ODD, name=f"{name}__echo", **call)
            house.far.script = echo
            assert house.is_empty(name, link)
            status, *_, record = upstream.status, *await house.audit(name)
        assert status.calls == calls + 1
        return answer, (status.last_error, record["outcome"], record["sent"], record["received"], record["name"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    folder = tmp_path_factory.mktemp("express")
    async with server() as far:
        servers = {name: {"url": far.url} for name in _NAMES.values()}
        async with (
            serving(folder / "1", far, servers=servers) as lane,
            serving(folder / "2", far, servers=servers) as road,
        ):
            road.take_the_long_road()
            yield Pair(lane, road)


@pytest.mark.parametrize("key", [b"7", b"0", b"123456789012345678901234567890", b'"a\\u00fc\\/ "', b'""'])
@pytest.mark.parametrize("path", ["/mcp", "/servers/one/mcp"])
async def test_the_second_answer_is_the_first_but_for_what_is_its_own(house: House, key: bytes, path: str) -> None:
    name = "one__echo" if path == "/mcp" else "echo"
    async with house.client(path) as client:
        first = await client.call(key, ODD, name=name)
        second = await client.call(key, ODD, name=name)
        other = await client.call(b"8", ODD, name=name)
    assert house.took == [True, True]
    assert first.same == second.same
    assert first.own.keys() == second.own.keys() == {"x-request-id", "date"}
    assert first.own["x-request-id"] != second.own["x-request-id"]
    assert b'"id":' + key + b"," in second.body
    assert b'"echo":' + ODD in second.body
    assert other.body == second.body.replace(b'"id":' + key, b'"id":8')


async def test_the_server_gets_the_same_but_for_a_key_and_a_trace_of_its_own(house: House) -> None:
    async with house.client() as client:
        for _ in range(3):
            await client.call(b'"k"', ODD)
    assert house.took == [True, True]
    first, *others = house.far.heard
    traces = {heard.lines["traceparent"] for heard in house.far.heard}
    assert len(traces) == 3
    assert all(re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", trace) for trace in traces)
    for heard in others:
        assert heard.key != first.key
        assert heard.params["arguments"] == first.params["arguments"] == ODD
        assert heard.body.replace(b'"id":' + heard.key, b'"id":' + first.key) == first.body
        assert {**heard.lines, "traceparent": ""} == {**first.lines, "traceparent": ""}
    assert len({heard.key for heard in house.far.heard}) == 3


@pytest.mark.parametrize(
    "more",
    [
        {"more": b',"inputResponses":{}'},
        {"more": b',"task":{"ttl":1}'},
        {"meta": meta(**{"io.modelcontextprotocol/logLevel": "info"})},
        {"meta": meta(traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")},
        {"key": b"-7"},
    ],
)
async def test_what_is_out_of_the_ordinary_takes_the_long_road(house: House, more: dict[str, Any]) -> None:
    async with house.known() as client:
        answer = await client.call(**more)
        assert (await client.call(b"8")).status == 200
    assert (answer.status, house.took) == (200, [False, True])


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"one__echo","_meta":5}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"one__echo","_meta":{}}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"one__echo"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"one__weigh","_meta":%b}}' % meta(),
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":%b}}' % meta(),
        b'{"jsonrpc":"2.0","id":1.5,"method":"tools/call","params":{"name":"one__echo","_meta":%b}}' % meta(),
        b'{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{"name":"one__echo","_meta":%b}}' % meta(),
        b'{"jsonrpc":"1.0","id":1,"method":"tools/call","params":{"name":"one__echo","_meta":%b}}' % meta(),
        b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":%b}}' % meta(),
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call"}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"one__echo","a":"\xff","_meta":%b}}' % meta(),
        b"[" * 5_000,
        b"",
        b"{",
    ],
)
async def test_what_is_no_such_request_is_refused_as_ever(house: House, body: bytes) -> None:
    async with house.known() as client:
        client.send(client.post(body))
        answer = await client.receive()
        house.take_the_long_road()
        client.send(client.post(body))
        assert (await client.receive()).same == answer.same
    assert (answer.status, house.took) == (400, [False])
    assert house.is_empty()


@pytest.mark.parametrize("arguments", [b'{"n":"much"}', b"{}", b"[]", b"5", b"null", None])
async def test_arguments_that_do_not_fit_are_explained_as_ever(house: House, arguments: bytes | None) -> None:
    async with house.known(arguments=b'{"n":1}', name="one__weigh") as client:
        heard = len(house.far.heard)
        answer = await client.call(b"1", arguments, name="one__weigh")
        assert (await client.call(b"2", b'{"n":2}', name="one__weigh")).message["result"]["echo"] == {"n": 2}
        assert house.took == [False, True]
        assert len(house.far.heard) == heard + 1
        house.take_the_long_road()
        assert (await client.call(b"1", arguments, name="one__weigh")).same == answer.same


def scripted(body: bytes, status: str = "200 OK", media: str = "application/json") -> Script:
    async def script(call: Heard) -> None:
        call.answer(body.replace(b"KEY", call.key), status, media)

    return script


def broken(after: bytes) -> Script:
    async def script(call: Heard) -> None:
        call.write(after)
        call.close()

    return script


ERROR = b'{"jsonrpc":"2.0","id":KEY,"error":{"code":-32602,"message":"no","data":{"x":1.0}}}'
RESULT = b'{"jsonrpc":"2.0","id":KEY,"result":%b}'
ANSWERS: dict[str, Script] = {
    "an error": scripted(ERROR),
    "an error with its status": scripted(ERROR, "400 Bad Request"),
    "an error without an id": scripted(ERROR.replace(b"KEY", b"null"), "400 Bad Request"),
    "a failure": scripted(RESULT % b'{"resultType":"complete","isError":true,"content":[]}'),
    "no resultType": scripted(RESULT % b'{"content":[]}'),
    "a question": scripted(RESULT % b'{"resultType":"input_required","inputRequests":{},"requestState":"s"}'),
    "no result": scripted(b'{"jsonrpc":"2.0","id":KEY}'),
    "a result that is no object": scripted(RESULT % b'"resultType"'),
    "a wrong id": scripted(b'{"jsonrpc":"2.0","id":4711,"result":%b}' % OK),
    "an id in quotes": scripted(b'{"jsonrpc":"2.0","id":"KEY","result":%b}' % OK),
    "white space": scripted(b"\r\n " + RESULT % OK + b"\n"),
    "a batch": scripted(b"[" + RESULT % OK + b"]"),
    "another media type": scripted(RESULT % OK, media="text/plain"),
    "words": scripted(b"hello", media="text/plain"),
    "half of an object": scripted(b'{"jsonrpc":"2.0"'),
    "nothing": scripted(b""),
    "202": scripted(b"", "202 Accepted"),
    "302": scripted(b"", "302 Found"),
    "401": scripted(b"{}", "401 Unauthorized"),
    "403": scripted(RESULT % OK, "403 Forbidden"),
    "404": scripted(b"not here", "404 Not Found", "text/plain"),
    "500": scripted(b"oh", "500 Internal Server Error", "text/plain"),
    "an empty stream": scripted(b"", media="text/event-stream"),
    "a stream in one piece": scripted(b"data: " + RESULT % OK + b"\n\n", media="text/event-stream"),
    "no answer": broken(b""),
    "half of a head": broken(b"HTTP/1.1 200 OK\r\nContent-Ty"),
    "half of a body": broken(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{"json'),
    "half of a stream": broken(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {"),
    "no HTTP": broken(b"SSH-2.0\r\n\r\n"),
}


_NAMES = {kind: f"s{number}" for number, kind in enumerate([*ANSWERS, "progress"])}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("kind", ANSWERS)
async def test_whatever_a_server_answers_reaches_the_client_as_over_the_long_road(pair: Pair, kind: str) -> None:
    lane, road = await pair.answers(kind, ANSWERS[kind])
    assert lane.same == road.same


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("token", [b'"mine"', b"7", b'"7"'])
async def test_progress_reaches_the_client_under_its_own_token(pair: Pair, token: bytes) -> None:
    async def script(call: Heard) -> None:
        given = b"%d" % json.loads(call.params["_meta"])["progressToken"]
        call.begin_stream()
        for step in (b"1", b"2.50"):
            progress = b'{"progressToken":%b,"progress":%b}' % (given, step)
            call.event(b'{"jsonrpc":"2.0","method":"notifications/progress","params":%b}' % progress)
        call.event(b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (call.key, OK))
        call.end_stream()

    lane, road = await pair.answers("progress", script, meta=meta(progressToken=json.loads(token)))
    assert lane.same == road.same
    first, second, last = lane.events
    assert json.loads(first)["params"] == {"progressToken": json.loads(token), "progress": 1}
    assert b'"progressToken":' + token in second
    assert b'"progress":2.50' in second
    assert json.loads(last) == {"jsonrpc": "2.0", "id": "k", "result": json.loads(OK)}
    assert ("content-type", "text/event-stream") in lane.headers


async def test_what_comes_after_a_stream_goes_without_a_task_too(house: House) -> None:
    async def script(call: Heard) -> None:
        call.begin_stream()
        progress = b'{"progressToken":%b,"progress":1}' % call.key
        call.event(b'{"jsonrpc":"2.0","method":"notifications/progress","params":%b}' % progress)
        call.event(b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (call.key, OK))
        call.end_stream()

    async with house.known(meta=meta(progressToken="t")) as client:
        house.far.script = script
        for _ in range(3):
            answer = await client.call(b"1", meta=meta(progressToken="t"))
            assert [json.loads(event).get("params", {}).get("progressToken") for event in answer.events] == ["t", None]
    assert house.took == [True] * 3
    assert house.is_empty()


@pytest.mark.parametrize("size", [300_000, 3_000_000])
@pytest.mark.parametrize("framing", ["length", "chunks"])
async def test_a_large_result_arrives_whole(house: House, size: int, framing: str) -> None:
    result = b'{"resultType":"complete","content":[],"text":"%b"}' % (b"x" * size)

    async def script(call: Heard) -> None:
        if framing == "length":
            call.give(result)
        else:
            body = b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (call.key, result)
            call.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
            call.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))

    async with house.known() as client:
        house.far.script = script
        answers = [await client.call(b"1") for _ in range(2)]
        house.take_the_long_road()
        answers.append(await client.call(b"1"))
    assert {answer.body for answer in answers} == {b'{"jsonrpc":"2.0","id":1,"result":%b}' % result}
    assert house.took == [True, True]
    assert len({record["received"] for record in (await house.audit())[1:]}) == 1


async def test_two_hundred_clients_at_once_each_get_their_own_answer(house: House) -> None:
    async def talk(number: int) -> None:
        async with house.client() as client:
            for round_ in range(4):
                arguments = {"n": number, "round": round_}
                answer = await client.call(b'"%d"' % number, json.dumps(arguments).encode())
                assert answer.message["id"] == str(number)
                assert answer.message["result"]["echo"] == arguments

    await asyncio.gather(*(talk(number) for number in range(200)))
    assert sum(house.took) > 100
    assert house.is_empty()
    assert len(await house.audit()) == 800
    assert house.upstream().status.calls == 800


async def test_requests_on_one_connection_are_answered_in_their_order(house: House) -> None:
    async with house.known() as client:
        for count in (1, 5, 1, 3):
            client.send(*(client.request(b"%d" % number) for number in range(count)))
            assert [(await client.receive()).message["id"] for _ in range(count)] == list(range(count))
    assert house.took == [True, True]


async def test_what_comes_while_a_call_is_under_way_waits_for_it(house: House) -> None:
    answered = asyncio.Event()

    async def script(call: Heard) -> None:
        await answered.wait()
        call.give()

    async with house.known() as client:
        house.far.forget()
        house.far.script = script
        client.send(client.request(b"1"))
        await house.far.call()
        client.send(client.request(b"2"), client.request(b"3"))
        answered.set()
        assert [(await client.receive()).message["id"] for _ in range(3)] == [1, 2, 3]
    assert house.took == [True]


async def test_meta_that_differs_each_time_costs_nothing_that_stays(house: House) -> None:
    async with house.known() as client:
        heads = len(house.listener.heads._known)
        for number in range(150):
            told = meta(**{"com.example/turn": number, "com.example/long": "x" * (5_000 * (number % 2))})
            assert (await client.call(b"1", meta=told)).status == 200
            assert json.loads(house.far.heard[-1].params["_meta"])["com.example/turn"] == number
        assert len(house.listener.heads._known) == heads
        [target] = house.listener.heads._known.values()
        plans: Any = target.headers.plan
        assert len(plans.known) <= 64
        assert not any(plan.like.params for plan in plans.known.values())  # else it would hold on to a whole body
        assert all(len(told) < 5_000 for _, told in plans.known)
        assert (await client.call(b"1")).status == 200
    assert house.is_empty()


async def test_a_tool_that_wants_arguments_in_headers_takes_the_long_road(house: House) -> None:
    call: dict[str, Any] = {"arguments": b'{"r":"north"}', "name": "one__region"}
    async with house.known(lines="Mcp-Param-Region: north\r\n", **call) as client:
        assert (await client.call(b"1", **call)).status == 200
        assert house.far.heard[-1].lines["Mcp-Param-Region"] == "north"
        assert (await client.call(b"1", b'{"r":"south"}', name="one__region")).status == 400
    assert house.took == [False, False]


async def test_a_cached_tool_takes_the_long_road(tmp_path: Path) -> None:
    async with opened(tmp_path, {"cache": {"echo": 60}}) as house, house.known() as client:
        assert (await client.call(b"1")).status == 200
        assert house.took == [False]
        assert len(house.far.heard) == 1


async def test_a_percent_sign_in_a_url_or_a_header_is_one(tmp_path: Path) -> None:
    async with server() as far:
        definition = {"url": f"{far.url}/a%20b?c=%25d", "headers": {"X-Rate": "5%b %% %"}}
        async with serving(tmp_path, far, definition) as house, house.known() as client:
            assert (await client.call(b"1")).status == 200
            assert house.took == [True]
    first, second = far.heard
    assert second.head.startswith(b"POST /mcp/a%20b?c=%25d HTTP/1.1\r\n")
    assert first.lines["X-Rate"] == second.lines["X-Rate"] == "5%b %% %"


async def test_a_name_that_no_header_can_hold_as_it_is(tmp_path: Path) -> None:
    async with server() as far:
        far.tools.append({"name": "wetter → heute", "inputSchema": {"type": "object"}})
        async with serving(tmp_path, far) as house, house.client("/servers/one/mcp") as client:
            answers = [await _encoded(client) for _ in range(2)]
    assert answers[0].same == answers[1].same
    assert answers[0].status == 200
    assert [heard.name for heard in far.heard] == ["wetter → heute"] * 2
    assert far.heard[0].lines["Mcp-Name"] == far.heard[1].lines["Mcp-Name"] == "=?base64?d2V0dGVyIOKGkiBoZXV0ZQ==?="
    assert house.took == [True]


async def _encoded(client: Client) -> Answer:
    params = b'{"name":"wetter \xe2\x86\x92 heute","arguments":{},"_meta":%b}' % meta()
    body = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":%b}' % params
    client.send(client.post(body, "=?base64?d2V0dGVyIOKGkiBoZXV0ZQ==?="))
    return await client.receive()
