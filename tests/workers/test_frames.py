"""What goes from worker to worker comes out as it went in."""

from toolgate.model.freshness import NONE, Freshness, Hint
from toolgate.model.tool import Catalogue, Item, Kind
from toolgate.workers import frames


def test_a_catalogue_comes_with_all_that_its_server_said_of_it() -> None:
    hints = {"tools/list": Hint(1_000.5, 60, public=True), "prompts/list": NONE}
    catalogue = Catalogue(
        {Kind.TOOLS: (Item("t", b'{"name":"t","n":1.10}'),)},
        {"tools": {"listChanged": True, "x": [1]}},
        {"name": "s"},
        "Read me.",
        {"tools/list": b'{"odd":1.10}'},
        Freshness(hints),
    )
    frame, _ = frames.decode(frames.encode(frames.learned("s", catalogue)))
    assert isinstance(frame, frames.Learned)
    found = frames.catalogue_of(frame)
    assert found == catalogue
    assert found.freshness.hints == hints
