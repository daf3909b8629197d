"""For how long an endpoint's lists are good: as its servers said last, and not a moment longer than is known."""

import time

from tests.catalog.test_catalog import offering, settled
from toolgate.catalog.build import ALL, server_endpoint, virtual_endpoint
from toolgate.catalog.refresh import Catalog
from toolgate.catalog.virtual import Bundle
from toolgate.model.freshness import INTRODUCTION, Freshness, Hint
from toolgate.model.tool import Catalogue

TOOLS = "tools/list"


def kept(catalogue: Catalogue, seconds: float, *, age: float = 0) -> Catalogue:
    hints = dict.fromkeys((TOOLS, INTRODUCTION), Hint(time.time() - age, seconds, public=True))
    return Catalogue(catalogue.items, freshness=Freshness(hints))


def left(catalog: Catalog, endpoint: str) -> list[float | None]:
    """Rounded seconds for each server behind the endpoint."""
    found = [one.of(TOOLS) for one in catalog.current.views[endpoint].freshness]
    return [None if hint is None else round(hint.left(time.time())) for hint in found]


async def test_a_list_that_reads_the_same_again_is_good_for_longer_in_the_same_snapshot() -> None:
    catalog = Catalog()
    catalog.configure(["a"])
    catalog.learn("a", kept(offering(tools=["x"]), 60, age=50))
    await settled()
    before = catalog.current
    assert left(catalog, server_endpoint("a")) == [10]
    again = kept(offering(tools=["x"]), 60)
    catalog.learn("a", again)
    assert catalog.current is before
    assert left(catalog, server_endpoint("a")) == left(catalog, ALL) == [60]
    again.freshness.end()
    assert left(catalog, server_endpoint("a")) == [0], "what becomes of it holds here"


async def test_what_was_read_before_a_change_is_not_fresh_while_the_next_snapshot_is_built() -> None:
    catalog = Catalog()
    catalog.configure(["a"])
    catalog.learn("a", kept(offering(tools=["x"]), 60))
    await settled()
    before = catalog.current
    catalog.learn("a", kept(offering(tools=["x", "y"]), 60))
    assert catalog.current is before
    assert left(catalog, server_endpoint("a")) == [0]
    await catalog.built()
    assert left(catalog, server_endpoint("a")) == [60]


async def test_a_server_whose_definition_has_changed_is_not_known_any_more() -> None:
    catalog = Catalog()
    catalog.configure(["a"])
    catalog.learn("a", kept(offering(tools=["x"]), 60))
    catalog.outdated("a")
    await catalog.built()
    assert left(catalog, server_endpoint("a")) == [0]
    catalog.outdated("nobody")


async def test_an_endpoint_of_several_is_made_of_all_of_them() -> None:
    catalog = Catalog()
    catalog.configure(["a", "b", "c"], [Bundle("none", {})])
    catalog.learn("a", kept(offering(tools=["x"]), 60))
    catalog.learn("b", kept(offering(tools=["x"]), 30))
    await catalog.built()
    assert left(catalog, ALL) == left(catalog, virtual_endpoint("none")) == [60, 30, None]


async def test_a_clock_that_is_put_back_makes_nothing_fresh() -> None:
    hint = Hint(1_000.0, 60, public=True)
    assert [hint.left(now) for now in (999.9, 1_000, 1_059, 1_061)] == [0, 60, 1, 0]
