"""The snapshot: names that never meet, order that stays, changes that are told once."""

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolgate.catalog import refresh
from toolgate.catalog.addresses import locate
from toolgate.catalog.build import ALL, ServerViews, all_servers, at_once, server_endpoint, virtual_endpoint
from toolgate.catalog.pages import PAGE, page
from toolgate.catalog.refresh import Catalog, Changes
from toolgate.catalog.virtual import Bundle, Pick
from toolgate.errors import InvalidParams
from toolgate.model.tool import Catalogue, Item, Kind


def offering(**names: list[str]) -> Catalogue:
    """A catalogue out of bare names; members: tools, prompts, resources, templates."""
    kinds = {"tools": Kind.TOOLS, "prompts": Kind.PROMPTS, "resources": Kind.RESOURCES, "templates": Kind.TEMPLATES}
    items = {
        kinds[member]: tuple(Item(name, json.dumps({kinds[member].key: name, "x": 1}).encode()) for name in listed)
        for member, listed in names.items()
    }
    return Catalogue(items)


def shown(catalog: Catalog, kind: Kind, endpoint: str = ALL) -> list[str]:
    listing = catalog.current.views[endpoint].of(kind)
    assert [json.loads(item)[kind.key] for item in listing.items] == [entry.name for entry in listing.entries]
    return [entry.name for entry in listing.entries]


async def settled() -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_tools_carry_their_server_in_front_and_keep_its_order() -> None:
    catalog = Catalog()
    catalog.configure(["b", "a"])
    catalog.learn("a", offering(tools=["z", "y"]))
    catalog.learn("b", offering(tools=["y"]))
    await settled()
    assert shown(catalog, Kind.TOOLS) == ["b__y", "a__z", "a__y"]
    assert shown(catalog, Kind.TOOLS, server_endpoint("a")) == ["z", "y"]


async def test_the_way_back_is_a_look_up_even_for_names_that_had_to_change() -> None:
    catalog = Catalog()
    catalog.configure(["s"])
    long = "x" * 100
    catalog.learn("s", offering(tools=["a.b", "a_b", long, long + "y"]))
    await settled()
    listing = catalog.current.views[ALL].of(Kind.TOOLS)
    routes = {entry.name: entry.route.name for entry in listing.entries}
    assert sorted(routes.values()) == sorted(["a.b", "a_b", long, long + "y"])
    assert all(len(name) <= 64 for name in routes)


@given(st.lists(st.text(min_size=1), unique=True, max_size=30))
def test_no_two_tools_of_a_server_ever_share_a_name(names: list[str]) -> None:
    listing = at_once(all_servers([ServerViews("s", offering(tools=names))])).of(Kind.TOOLS)
    assert sorted(entry.route.name for entry in listing.entries) == sorted(names)
    assert len(listing.index) == len(names)


async def test_resources_keep_their_uri_and_the_second_of_two_gets_an_address() -> None:
    catalog = Catalog()
    catalog.configure(["a", "b"])
    catalog.learn("a", offering(resources=["t://one"], templates=["t://{x}"]))
    catalog.learn("b", offering(resources=["t://one", "t://two"], templates=["t://{x}"]))
    await settled()
    assert shown(catalog, Kind.RESOURCES) == ["t://one", "toolgate://b/t://one", "t://two"]
    assert shown(catalog, Kind.TEMPLATES) == ["t://{x}", "toolgate://b/t://{x}"]


async def test_a_resource_is_found_listed_or_by_address_or_by_template_or_by_scheme() -> None:
    catalog = Catalog()
    catalog.configure(["a", "b", "c"])
    catalog.learn("a", offering(resources=["t://one"]))
    catalog.learn("b", offering(resources=["t://one"], templates=["db://{table}/rows/{row}"]))
    catalog.learn("c", offering(resources=["web://start"]))
    await settled()
    view = catalog.current.views[ALL]

    def found(uri: str) -> tuple[str, str]:
        route = locate(view, uri)
        return route.server, route.name

    assert found("t://one") == ("a", "t://one")
    assert found("toolgate://b/t://one") == ("b", "t://one")
    assert found("toolgate://b/never://listed") == ("b", "never://listed")
    assert found("db://users/rows/7") == ("b", "db://users/rows/7")
    assert found("web://other") == ("c", "web://other")
    with pytest.raises(InvalidParams, match="t://two"):
        locate(view, "t://two")  # two servers list something under t:, and neither lists this
    assert locate(catalog.current.views[server_endpoint("a")], "any:thing").server == "a"


@given(st.text(alphabet="ab{}", max_size=200), st.text(alphabet="ab", max_size=200))
def test_hostile_templates_and_uris_are_matched_in_one_pass(template: str, uri: str) -> None:
    hostile = ServerViews("a", offering(templates=["{}" + template * 20]))
    with suppress(InvalidParams):
        locate(at_once(all_servers([hostile, ServerViews("b", None)])), uri * 50)


async def test_a_change_is_told_once_with_what_it_touched() -> None:
    catalog = Catalog()
    catalog.configure(["a", "b"])
    told: list[Changes] = []
    stop = catalog.subscribe(told.append)
    catalog.learn("a", offering(tools=["x"]))
    catalog.learn("b", offering(tools=["y"]))
    await settled()
    assert told == [
        {ALL: {Kind.TOOLS}, server_endpoint("a"): {Kind.TOOLS}, server_endpoint("b"): {Kind.TOOLS}},
    ]
    catalog.learn("a", offering(tools=["x"]))
    await settled()
    assert len(told) == 1, "the same catalogue again is no change"
    stop()
    catalog.learn("a", offering(tools=[]))
    await settled()
    assert len(told) == 1


async def test_a_snapshot_that_somebody_holds_does_not_change() -> None:
    catalog = Catalog()
    catalog.configure(["a"])
    catalog.learn("a", offering(tools=["x"]))
    await settled()
    held = catalog.current
    catalog.configure([])
    assert [entry.name for entry in held.views[ALL].of(Kind.TOOLS).entries] == ["a__x"]
    assert shown(catalog, Kind.TOOLS) == []


async def test_a_virtual_server_shows_what_its_bundle_says_under_the_names_it_gives() -> None:
    catalog = Catalog()
    bundle = Bundle("desk", {Kind.TOOLS: (Pick("a__read", "look"), Pick("b__*")), Kind.RESOURCES: (Pick("t://*"),)})
    catalog.configure(["a", "b"], [bundle])
    catalog.learn("a", offering(tools=["read", "write"], resources=["t://one", "u://two"]))
    catalog.learn("b", offering(tools=["x", "y"], templates=["t://{n}"]))
    await settled()
    endpoint = virtual_endpoint("desk")
    assert shown(catalog, Kind.TOOLS, endpoint) == ["look", "b__x", "b__y"]
    assert shown(catalog, Kind.RESOURCES, endpoint) == ["t://one"]
    assert shown(catalog, Kind.TEMPLATES, endpoint) == ["t://{n}"]
    assert catalog.current.views[endpoint].of(Kind.TOOLS).route("look").name == "read"  # type: ignore[union-attr]


def read_all(catalog: Catalog) -> list[str]:
    names: list[str] = []
    cursor: str | None = None
    while True:
        listing = catalog.current.views[ALL].of(Kind.TOOLS)
        members: dict[str, Any] = json.loads(b"{" + page(listing, "tools", cursor) + b"}")
        names += [tool["name"] for tool in members["tools"]]
        cursor = members.get("nextCursor")
        if cursor is None:
            return names


@pytest.mark.parametrize("count", [0, 1, PAGE, PAGE + 1, 2 * PAGE + 500])
async def test_pages_together_are_the_whole_list(count: int) -> None:
    catalog = Catalog()
    catalog.configure(["s"])
    catalog.learn("s", offering(tools=[f"t{n}" for n in range(count)]))
    await settled()
    assert read_all(catalog) == [f"s__t{n}" for n in range(count)]


@pytest.mark.parametrize("cursor", ["", "x", "!!", "eA==", "é"])
async def test_a_cursor_that_leads_nowhere_is_refused(cursor: str) -> None:
    catalog = Catalog()
    with pytest.raises(InvalidParams):
        page(catalog.current.views[ALL].of(Kind.TOOLS), "tools", cursor)


async def test_a_configuration_that_comes_while_a_catalogue_is_built_has_the_last_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(refresh, "_TURN", -1.0)  # others run after every step
    catalog = Catalog()
    catalog.configure(["a", "b", "c"])
    catalog.learn("a", offering(tools=["x"]))
    catalog.learn("b", offering(tools=["y"]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert shown(catalog, Kind.TOOLS) == [], "it is being built"
    catalog.configure(["b", "c"])
    assert shown(catalog, Kind.TOOLS) == ["b__y"]
    catalog.learn("c", offering(tools=["z"]))
    catalog.learn("b", offering(tools=["y", "y2"]))
    await asyncio.wait_for(catalog.built(), 5)
    assert shown(catalog, Kind.TOOLS) == ["b__y", "b__y2", "c__z"]
    assert list(catalog.current.views) == [ALL, server_endpoint("b"), server_endpoint("c")]


async def test_what_was_learnt_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh, "_TURN", -1.0)
    catalog = Catalog()
    catalog.configure(["a"])
    await asyncio.wait_for(catalog.built(), 5)
    catalog.learn("a", offering(tools=["x"]))
    assert catalog.is_unread("a")
    await asyncio.wait_for(catalog.built(), 5)
    assert not catalog.is_unread("a")
    assert shown(catalog, Kind.TOOLS) == ["a__x"]


def test_a_server_that_offers_nothing_is_introduced_as_such() -> None:
    assert ServerViews("s", Catalogue({})).view.capabilities == {}
    assert "tools" in ServerViews("s", None).view.capabilities  # nobody has asked it yet


def test_members_of_capabilities_that_no_revision_knows_are_mirrored() -> None:
    declared = {
        "tools": {"listChanged": False, "x": [1]},
        "prompts": True,
        "resources": {"subscribe": False, "y": {}},
        "completions": {"z": None},
        "logging": {"levels": 8},
        "tasks": {"list": {}},
    }
    assert ServerViews("s", Catalogue({}, declared)).view.capabilities == {
        "tools": {"listChanged": True, "x": [1]},
        "prompts": {"listChanged": True},
        "resources": {"listChanged": True, "y": {}},
        "completions": {"z": None},
        "logging": {"levels": 8},
    }
    subscribing = Catalogue({}, {"resources": {"subscribe": True}})
    assert ServerViews("s", subscribing).view.capabilities == {"resources": {"listChanged": True, "subscribe": True}}
