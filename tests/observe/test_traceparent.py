import pytest
from msgspec import Raw

from toolgate.observe.traceparent import Parent, from_meta, is_quiet, parse, state

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"


def test_a_traceparent_is_taken_apart() -> None:
    assert parse(GOOD) == Parent(TRACE, SPAN, "01")
    assert parse(f"00-{TRACE}-{SPAN}-02") == Parent(TRACE, SPAN, "02")


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("03", True), ("ff", True)])
def test_one_bit_says_whether_it_is_sampled(flags: str, sampled: bool) -> None:
    parent = parse(f"00-{TRACE}-{SPAN}-{flags}")
    assert parent is not None
    assert parent.sampled is sampled
    assert is_quiet(f"00-{TRACE}-{SPAN}-{flags}") is not sampled


@pytest.mark.parametrize(
    "value",
    [
        "",
        "00",
        GOOD.upper(),
        f" {GOOD}",
        f"{GOOD}\n",
        f"{GOOD}-00",
        f"{GOOD}0",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-0g",
        f"00_{TRACE}_{SPAN}_01",
        f"00-{chr(0x660) * 32}-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01what",
    ],
)
def test_what_is_nearly_one_is_none(value: str) -> None:
    assert parse(value) is None
    assert not is_quiet(value)


def test_of_a_later_version_the_known_part_is_read() -> None:
    assert parse(f"cc-{TRACE}-{SPAN}-01") == parse(f"cc-{TRACE}-{SPAN}-01-more-of-it") == Parent(TRACE, SPAN, "01")


@pytest.mark.parametrize(
    "value", ["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "a=1", "a=1, b=2", "a=1,,b=2", "fw529a3039@dt=FfA,b=x y"]
)
def test_a_tracestate_is_kept_whole(value: str) -> None:
    assert state(value) == value


@pytest.mark.parametrize(
    "value",
    [
        "",
        ",",
        "a",
        "=1",
        "a=",
        "A=1",
        "a=1=2",
        "a=1,a=2",
        "a=1\nb",
        "a=ü",
        "a=" + "x" * 257,
        ",".join(f"k{number}=1" for number in range(33)),
        "a=" + "x" * 250 + ",b=" + "x" * 250 + ",c=" + "x" * 250,
    ],
)
def test_a_tracestate_that_is_wrong_somewhere_is_dropped(value: str) -> None:
    assert state(value) == ""


def test_the_context_of_a_request_stands_in_its_meta() -> None:
    meta = {"traceparent": Raw(f'"{GOOD}"'.encode()), "tracestate": Raw(b'"a=1"'), "progressToken": Raw(b"1")}
    assert from_meta(meta) == (GOOD, "a=1")
    assert from_meta({}) == ("", "")


@pytest.mark.parametrize("raw", [b"1", b"null", b"{}", b'"\xff"'])
def test_what_is_no_text_in_meta_is_no_context(raw: bytes) -> None:
    assert from_meta({"traceparent": Raw(raw)}) == ("", "")
