import time

from hypothesis import given
from hypothesis import strategies as st

from toolgate.runtime.lines import EDGE, LineSplitter


class Kept:
    def __init__(self, limit: int) -> None:
        self.lines: list[bytes] = []
        self.skipped: list[tuple[bytes, bytes, int]] = []
        self.splitter = LineSplitter(limit, self.lines.append, lambda *edges: self.skipped.append(edges))


@given(st.lists(st.binary(max_size=30) | st.just(b"\n"), max_size=30), st.integers(0, 40))
def test_lines_do_not_depend_on_where_the_chunks_are_cut(chunks: list[bytes], limit: int) -> None:
    kept = Kept(limit)
    for chunk in chunks:
        kept.splitter.feed(chunk)
    whole = b"".join(chunks).split(b"\n")[:-1]
    assert kept.lines == [line for line in whole if len(line) <= limit]
    assert kept.skipped == [(line[:EDGE], line[-EDGE:], len(line)) for line in whole if len(line) > limit]


def test_only_the_edges_of_a_long_line_are_kept() -> None:
    kept = Kept(1000)
    kept.splitter.feed(b"a" * 5000)
    kept.splitter.feed(b"b" * 5000 + b"\nnext\n")
    assert kept.skipped == [(b"a" * EDGE, b"b" * EDGE, 10_000)]
    assert kept.lines == [b"next"]


def test_a_long_line_costs_what_its_bytes_cost() -> None:
    kept = Kept(32 << 20)
    chunk = b"x" * 65536
    began = time.process_time()
    for _ in range(1024):
        kept.splitter.feed(chunk)
    kept.splitter.feed(b"\n")
    assert kept.skipped[0][2] == 64 << 20
    assert time.process_time() - began < 1
