import asyncio
import logging
import random
from collections.abc import Iterator, Mapping

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2

from tests.observe.calls import recorded
from tests.observe.collector import Collector, collector
from tests.running import free_port
from toolgate import __version__
from toolgate.errors import SecretMissing
from toolgate.observe.export import Exporter, trace_url
from toolgate.observe.otlp import encoded, export_request, rejected
from toolgate.observe.spans import Span, SpanKind, Trace
from toolgate.observe.traceparent import Parent
from toolgate.observe.tracing import Tracer

WITHIN = 20.0  # seconds


@pytest.fixture
def double() -> Iterator[Collector]:
    with collector() as found:
        yield found


async def no_headers() -> Mapping[str, str]:
    return {}


def span(name: str = "a span") -> Span:
    return Span("ab" * 16, "cd" * 8, "", name, SpanKind.SERVER, 1, 2, {})


async def arrived(double: Collector) -> None:
    assert await asyncio.to_thread(double.arrived.acquire, timeout=WITHIN)


def test_every_member_is_read_back_by_the_official_definitions() -> None:
    given = Span(
        trace="0af7651916cd43dd8448eb211c80319c",
        id="00f067aa0ba902b7",
        parent="1" * 16,
        name="tools/call größe",
        kind=SpanKind.CLIENT,
        start=1_700_000_000_123_456_789,
        end=1_700_000_000_987_654_321,
        attributes={"text": "ü" * 200, "empty": "", "yes": True, "no": False, "count": 2**40, "below": -3, "zero": 0},
        state="a=1",
        error="tool_error",
        link=Parent("2" * 32, "3" * 16, "01"),
    )
    request = ExportTraceServiceRequest.FromString(
        export_request([encoded(given)], {"service.name": "toolgate"}, "1.2.3")
    )
    [resource] = request.resource_spans
    assert {pair.key: pair.value.string_value for pair in resource.resource.attributes} == {"service.name": "toolgate"}
    [scope] = resource.scope_spans
    assert (scope.scope.name, scope.scope.version) == ("toolgate", "1.2.3")
    [found] = scope.spans
    assert (found.trace_id.hex(), found.span_id.hex(), found.parent_span_id.hex()) == (given.trace, given.id, "1" * 16)
    assert (found.name, found.kind, found.trace_state) == (given.name, trace_pb2.Span.SPAN_KIND_CLIENT, "a=1")
    assert (found.start_time_unix_nano, found.end_time_unix_nano) == (given.start, given.end)
    assert found.status.code == trace_pb2.Status.STATUS_CODE_ERROR
    assert [(link.trace_id.hex(), link.span_id.hex()) for link in found.links] == [("2" * 32, "3" * 16)]
    values = {pair.key: getattr(pair.value, str(pair.value.WhichOneof("value"))) for pair in found.attributes}
    assert values == given.attributes


@pytest.mark.parametrize("seed", range(20))
def test_any_span_survives(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311  # dice
    spans = [
        Span(dice.randbytes(16).hex(), dice.randbytes(8).hex(), "", "n" * dice.randrange(300), SpanKind.INTERNAL,
             dice.randrange(2**63), dice.randrange(2**63), {"k" * size: dice.randrange(-(2**63), 2**63)})
        for size in range(1, 40)
    ]  # fmt: skip
    request = ExportTraceServiceRequest.FromString(export_request(map(encoded, spans), {}, ""))
    found = request.resource_spans[0].scope_spans[0].spans
    assert [(one.trace_id.hex(), one.span_id.hex(), one.name) for one in found] == [
        (one.trace, one.id, one.name) for one in spans
    ]
    numbers = [one.attributes[0].value.int_value for one in found]
    assert numbers == [number for one in spans for number in one.attributes.values()]


async def test_a_sampled_call_reaches_the_collector(double: Collector) -> None:
    async def headers() -> Mapping[str, str]:
        return {"Authorization": "Bearer a-token"}

    exporter = Exporter(double.url, headers)
    context = Tracer(exporter.offer, 1.0).begin()
    assert isinstance(context, Trace)
    context.upstream("2026-07-28", "tcp")
    context.answered()
    context.finish(recorded(), version="2026-07-28")
    await exporter.close()
    assert double.names() == ["tools/call now", "tools/call now"]
    assert double.headers[0]["authorization"] == "Bearer a-token"
    resource = double.requests[0].resource_spans[0].resource
    attributes = {pair.key: pair.value.string_value for pair in resource.attributes}
    assert attributes == {"service.name": "toolgate", "service.version": __version__}
    assert (exporter.exported, exporter.depth) == (2, 0)


async def test_a_full_batch_is_sent_at_once_and_a_big_queue_in_several(double: Collector) -> None:
    exporter = Exporter(double.url, no_headers)
    for number in range(1100):
        exporter.offer([span(str(number))])
    for _ in range(2):
        await arrived(double)
    await exporter.close()
    assert double.names() == [str(number) for number in range(1100)]
    assert len(double.requests) == 3


async def test_a_full_queue_drops_what_comes_and_counts_it(double: Collector) -> None:
    exporter = Exporter(double.url, no_headers, queue=4)
    for _ in range(3):
        exporter.offer([span(), span(), span()])
    assert exporter.depth == 3
    assert dict(exporter.read())["toolgate_spans_dropped_total"] == [
        (("queue-full",), 6), (("refused",), 0), (("unsent",), 0),
    ]  # fmt: skip
    await exporter.close()
    assert exporter.exported == 3


async def test_a_collector_that_is_down_is_told_once_and_tried_again(
    double: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    double.statuses = [503, 503, 200]
    exporter = Exporter(double.url, no_headers)
    with caplog.at_level(logging.INFO, "toolgate"):
        exporter.offer([span()] * 512)
        for _ in range(3):
            await arrived(double)
        await exporter.close()
    assert (exporter.exported, sum(exporter.dropped.values())) == (512, 0)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_a_collector_that_refuses_is_not_asked_the_same_again(double: Collector) -> None:
    double.statuses = [400, 200]
    exporter = Exporter(double.url, no_headers)
    exporter.offer([span("refused")] * 512)
    await arrived(double)
    exporter.offer([span("taken")])
    await exporter.close()
    assert double.names() == ["taken"]
    assert (exporter.exported, exporter.dropped["refused"]) == (1, 512)


async def test_what_a_collector_leaves_out_of_a_request_is_counted(double: Collector) -> None:
    double.rejects = 300
    exporter = Exporter(double.url, no_headers)
    exporter.offer([span()] * 512)
    await exporter.close()
    assert (exporter.exported, exporter.dropped["refused"]) == (212, 300)


@pytest.mark.parametrize(
    "body", [b"", b"\x0a", b"\x0a\xff", b"\x08\x01", b"<html>", b"\xff" * 100, b"\x0a\x02\x0a\x00"]
)
def test_an_answer_that_cannot_be_read_rejects_nothing(body: bytes) -> None:
    assert rejected(body) == 0


async def test_nobody_there_costs_spans_and_nothing_else() -> None:
    exporter = Exporter(f"http://127.0.0.1:{free_port()}", no_headers)
    exporter.offer([span()] * 3)
    await exporter.close()
    assert exporter.dropped["unsent"] == 3


async def test_a_secret_that_is_missing_is_told_and_shown_to_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async def headers() -> Mapping[str, str]:
        raise SecretMissing("${COLLECTOR_TOKEN} has no value")

    exporter = Exporter("http://127.0.0.1:9", headers)
    exporter.offer([span()])
    with caplog.at_level(logging.WARNING, "toolgate"):
        await exporter.close()
    assert "COLLECTOR_TOKEN" in caplog.text


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        ("http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/traces"),
        ("https://o.example/otel", "https://o.example/otel/v1/traces"),
        ("https://o.example/otel/v1/traces", "https://o.example/otel/v1/traces"),
    ],
)
def test_spans_go_where_otlp_says(given: str, url: str) -> None:
    assert trace_url(given) == url
