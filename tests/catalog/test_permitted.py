"""What a team is shown is what it may call."""

from hypothesis import given
from hypothesis import strategies as st

from toolgate.catalog.build import ALL, ServerViews, all_servers, at_once
from toolgate.catalog.permitted import Permissions
from toolgate.catalog.snapshot import Snapshot
from toolgate.model.principal import LOCAL, Principal
from toolgate.model.tool import Catalogue, Item, Kind
from toolgate.policy.teams import Rules

ACTIONS = {Kind.TOOLS: "tools/call", Kind.PROMPTS: "prompts/get", Kind.RESOURCES: "resources/read"}


def offering(names: list[str]) -> Catalogue:
    return Catalogue(
        {kind: tuple(Item(name, b'{"%s":"x"}' % kind.key.encode()) for name in names) for kind in ACTIONS},
        instructions="be kind",
        more={"tools/list": b'{"_meta":{"a/b":"of all tools"}}'},
    )


def snapshot(servers: dict[str, list[str]], revision: int = 1) -> Snapshot:
    views = [ServerViews(name, offering(names)) for name, names in servers.items()]
    return Snapshot(revision, {ALL: at_once(all_servers(views)), **{one.endpoint: one.view for one in views}})


names = st.lists(st.text("ab_.", min_size=1, max_size=4), max_size=6, unique=True)
globs = st.lists(st.one_of(st.text("ab_*?[]", min_size=1, max_size=8), st.sampled_from(["a", "b", "a__*"])), max_size=4)


@given(st.fixed_dictionaries({"a": names, "b": names}), globs, globs, st.sets(st.sampled_from(["t", "u", "v"])))
def test_listing_and_calling_agree(
    servers: dict[str, list[str]], first: list[str], second: list[str], teams: set[str]
) -> None:
    permissions = Permissions()
    permissions.configure(Rules({"t": first, "u": second}))
    caller = Principal("key:k", "k", tuple(sorted(teams)))
    whole = snapshot(servers)
    for endpoint in whole.views:
        view = permissions.view(whole, endpoint, caller)
        for kind, action in ACTIONS.items():
            shown = {entry.name for entry in view.of(kind).entries}
            for entry in whole.views[endpoint].of(kind).entries:
                decision = permissions.decide(caller, action, entry.route)
                assert (entry.name in shown) is decision.allowed
                assert decision == permissions.rules.decide(caller, action, entry.route.server, entry.route.name)
                if decision.allowed:
                    assert entry.route.server in view.servers
        assert [entry for kind in Kind for entry in view.of(kind).entries] == [
            entry
            for kind in Kind
            for entry in whole.views[endpoint].of(kind).entries
            if entry.name in view.of(kind).index
        ]


def test_a_view_is_made_once_for_the_same_teams_and_anew_for_a_new_snapshot_or_new_rules() -> None:
    permissions = Permissions()
    permissions.configure(Rules({"t": ["a__x"]}))
    one, other = Principal("key:1", "one", ("t",)), Principal("key:2", "other", ("t",))
    first = snapshot({"a": ["x", "y"]})
    view = permissions.view(first, ALL, one)
    assert permissions.view(first, ALL, other) is view
    later = snapshot({"a": ["x", "y"], "b": ["z"]}, 2)
    assert permissions.view(later, ALL, one) is not view
    assert [entry.name for entry in permissions.view(first, ALL, one).of(Kind.TOOLS).entries] == ["a__x"]
    assert not permissions.configure(Rules({"t": ["a__x"]})), "the same rules again are no change"
    assert permissions.configure(Rules({"t": ["a__y"]}))
    assert [entry.name for entry in permissions.view(later, ALL, one).of(Kind.TOOLS).entries] == ["a__y"]
    entry = later.views[ALL].of(Kind.TOOLS).entries[0]
    assert (entry.name, permissions.decide(one, "tools/call", entry.route).allowed) == ("a__x", False)


def test_where_nobody_is_under_a_rule_all_are_shown_the_whole_view_itself() -> None:
    permissions = Permissions()
    whole = snapshot({"a": ["x"]})
    assert permissions.view(whole, ALL, LOCAL) is whole.views[ALL]
    assert whole.views[ALL].freshness


def test_what_one_is_shown_whole_and_another_is_not_says_nothing_of_being_kept() -> None:
    permissions = Permissions()
    permissions.configure(Rules({"t": []}, everything=False))
    whole = snapshot({"a": ["x"]})
    shown = permissions.view(whole, ALL, LOCAL)
    assert (shown.listings, shown.instructions) == (whole.views[ALL].listings, whole.views[ALL].instructions)
    assert not shown.freshness
    assert permissions.view(whole, ALL, LOCAL) is shown, "and is made once"
    filtered = permissions.view(whole, "/servers/a/mcp", Principal("key:k", "k", ("t",)))
    assert (filtered.freshness, filtered.more) == ((), {})
    assert permissions.view(whole, ALL, Principal("key:1", "one")) is not whole.views[ALL]


def test_nothing_tells_of_a_server_that_is_not_shown() -> None:
    permissions = Permissions()
    permissions.configure(Rules({"t": ["a"]}))
    view = permissions.view(snapshot({"a": ["x"], "secret": ["y"]}), ALL, Principal("key:1", "one", ("t",)))
    assert view.servers == ("a",)
    assert "secret" not in view.instructions
    assert all(entry.route.server == "a" for kind in Kind for entry in view.of(kind).entries)
