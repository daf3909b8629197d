from collections.abc import Sequence

import pytest
from msgspec import Raw

from tests.observe.calls import recorded
from toolgate.observe.spans import Span, SpanKind, Trace
from toolgate.observe.traceparent import Parent, parse
from toolgate.observe.tracing import Context, Quiet, Tracer, inject

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00"


def meta(parent: str, state: str = "") -> dict[str, Raw]:
    found = {"progressToken": Raw(b"1"), "traceparent": Raw(f'"{parent}"'.encode())}
    return found | ({"tracestate": Raw(f'"{state}"'.encode())} if state else {})


def taken(ratio: float = 1.0) -> tuple[Tracer, list[Sequence[Span]]]:
    offered: list[Sequence[Span]] = []
    return Tracer(offered.append, ratio), offered


def ended(context: Context, outcome: str = "ok", status: int | None = None) -> Trace:
    assert isinstance(context, Trace)
    context.group("admission")
    context.upstream("2025-11-25", "pipe")
    context.answered(outcome, status)
    context.group("answer")
    context.finish(recorded(outcome=outcome), version="2026-07-28", key="7", status=status)
    return context


def test_a_call_without_a_context_gets_a_fresh_one() -> None:
    tracer = Tracer()
    found = [tracer.begin().traceparent for _ in range(1000)]
    parents = [parse(value) for value in found]
    assert None not in parents
    assert len({parent.trace for parent in parents if parent}) == 1000


@pytest.mark.parametrize(
    ("ratio", "least", "most"), [(0.0, 0, 0), (0.01, 50, 160), (0.5, 4700, 5300), (1.0, 10_000, 10_000)]
)
def test_the_share_that_is_sampled_is_the_one_that_was_asked_for(ratio: float, least: int, most: int) -> None:
    tracer, _ = taken(ratio)
    assert least <= sum(tracer.begin().sampled for _ in range(10_000)) <= most


def test_without_a_collector_nothing_is_sampled_and_contexts_are_passed_on() -> None:
    tracer = Tracer(None, 1.0)
    assert not tracer.begin().sampled
    context = tracer.begin(header=SAMPLED, tracestate="a=1")
    assert (context.sampled, context.traceparent, context.tracestate) == (False, SAMPLED, "a=1")


def test_a_callers_decision_is_honoured_either_way() -> None:
    assert taken(0.0)[0].begin(header=SAMPLED).sampled
    assert taken(0.0)[0].begin(meta(SAMPLED)).sampled
    assert not taken(1.0)[0].begin(header=UNSAMPLED).sampled
    assert not taken(1.0)[0].begin(meta(UNSAMPLED)).sampled


def test_an_unsampled_context_is_passed_on_as_it_came() -> None:
    tracer, _ = taken()
    given = meta(UNSAMPLED, "a=1")
    context = tracer.begin(given)
    assert context == Quiet(UNSAMPLED, "a=1", in_meta=True)
    assert inject(given, context) is given
    assert tracer.begin(header=UNSAMPLED, tracestate="a=1") == Quiet(UNSAMPLED, "a=1")


def test_what_is_no_context_is_replaced_and_never_passed_on() -> None:
    tracer, _ = taken(0.0)
    given = meta("not-a-traceparent", "a=1")
    context = tracer.begin(given, header="neither")
    assert parse(context.traceparent) is not None
    sent = inject(given, context)
    assert bytes(sent["traceparent"]) == f'"{context.traceparent}"'.encode()
    assert "tracestate" not in sent
    assert bytes(sent["progressToken"]) == b"1"
    assert bytes(given["traceparent"]) == b'"not-a-traceparent"'


def test_a_tracestate_that_is_wrong_is_taken_out_of_meta() -> None:
    tracer, _ = taken()
    given = meta(UNSAMPLED, "A=1")
    sent = inject(given, tracer.begin(given))
    assert "tracestate" not in sent
    assert bytes(sent["traceparent"]) == f'"{UNSAMPLED}"'.encode()


def test_meta_goes_before_the_header_which_becomes_a_link() -> None:
    tracer, offered = taken()
    other = f"00-{'1' * 32}-{'2' * 16}-01"
    ended(tracer.begin(meta(SAMPLED), header=other))
    root = offered[0][0]
    assert (root.trace, root.parent) == (TRACE, SPAN)
    assert root.link == Parent("1" * 32, "2" * 16, "01")


def test_the_spans_of_a_call_hang_together() -> None:
    tracer, offered = taken()
    context = tracer.begin(header=SAMPLED, tracestate="a=1")
    assert isinstance(context, Trace)
    before = context.traceparent
    ended(context)
    [spans] = offered
    root, admission, client, answer = spans
    assert [span.kind for span in spans] == [SpanKind.SERVER, SpanKind.INTERNAL, SpanKind.CLIENT, SpanKind.INTERNAL]
    assert [span.name for span in spans] == ["tools/call now", "admission", "tools/call now", "answer"]
    assert {span.trace for span in spans} == {TRACE}
    assert {span.parent for span in spans[1:]} == {root.id}
    assert len({span.id for span in spans}) == 4
    assert root.start <= admission.start <= admission.end <= client.start <= client.end <= answer.end <= root.end
    assert before == f"00-{TRACE}-{root.id}-01"
    assert context.traceparent == f"00-{TRACE}-{client.id}-01"
    assert context.tracestate == "a=1"
    assert context.id == TRACE


def test_the_server_gets_the_client_span_as_its_parent() -> None:
    tracer, _ = taken()
    context = tracer.begin(meta(SAMPLED))
    assert isinstance(context, Trace)
    context.upstream("2026-07-28", "tcp")
    sent = inject(meta(SAMPLED), context)
    assert bytes(sent["traceparent"]) == f'"{context.traceparent}"'.encode()
    assert SPAN not in context.traceparent


def test_the_attributes_are_those_of_the_conventions() -> None:
    tracer, offered = taken()
    ended(tracer.begin())
    [(root, _, client, _)] = offered
    assert root.attributes["mcp.method.name"] == client.attributes["mcp.method.name"] == "tools/call"
    assert root.attributes["gen_ai.tool.name"] == client.attributes["gen_ai.tool.name"] == "now"
    assert root.attributes["gen_ai.operation.name"] == "execute_tool"
    assert (root.attributes["mcp.protocol.version"], root.attributes["network.transport"]) == ("2026-07-28", "tcp")
    assert (client.attributes["mcp.protocol.version"], client.attributes["network.transport"]) == ("2025-11-25", "pipe")
    assert root.attributes["jsonrpc.request.id"] == "7"
    assert "error.type" not in root.attributes


@pytest.mark.parametrize(
    ("outcome", "status", "error"),
    [
        ("failed", None, "tool_error"),
        ("error", -32602, "-32602"),
        ("error", None, "_OTHER"),
        ("deadline-exceeded", None, "deadline-exceeded"),
    ],
)
def test_what_went_wrong_is_said_as_the_conventions_say_it(outcome: str, status: int | None, error: str) -> None:
    tracer, offered = taken()
    ended(tracer.begin(), outcome, status)
    [(root, _, client, _)] = offered
    assert root.error == root.attributes["error.type"] == client.error == error
    assert root.attributes.get("rpc.response.status_code") == (str(status) if status else None)


def test_a_call_that_never_reached_a_server_has_no_client_span() -> None:
    tracer, offered = taken()
    context = tracer.begin()
    assert isinstance(context, Trace)
    context.group("admission")
    context.finish(recorded(outcome="rate-limited"), version="2026-07-28")
    assert [span.kind for span in offered[0]] == [SpanKind.SERVER, SpanKind.INTERNAL]
    assert all(span.end for span in offered[0])


def test_a_uri_is_shown_without_what_it_may_hold_of_secrets() -> None:
    tracer, offered = taken()
    context = tracer.begin()
    assert isinstance(context, Trace)
    uri = "https://me:very-secret@docs.example.com/page?token=very-secret#very-secret"
    context.finish(recorded(method="resources/read", name=uri), version="2026-07-28")
    root = offered[0][0]
    assert root.name == "resources/read"
    assert root.attributes["mcp.resource.uri"] == "https://docs.example.com/page"
    assert "very-secret" not in repr(root)
