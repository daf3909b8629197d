"""What was installed for somebody is for them alone."""

import pytest

from toolgate.catalog.build import ALL, ServerViews, all_servers, at_once, server_endpoint
from toolgate.catalog.permitted import Permissions
from toolgate.catalog.snapshot import Route, Snapshot
from toolgate.errors import NotFound
from toolgate.model.owner import acts_for, is_seen, owners_of, team_owner
from toolgate.model.principal import LOCAL, Principal
from toolgate.model.tool import Catalogue, Item, Kind
from toolgate.policy.teams import Rules

ALICE = Principal("key:a", "alice", ("platform",))
BOB = Principal("key:b", "bob", ("platform", "support"))
CAROL = Principal("key:c", "carol")
PLATFORM = Principal("key:p", "platform")  # a key that is called like the team
OWNERS = {"hers": "user:alice", "theirs": "team:support"}
ACTIONS = ("tools/call", "prompts/get", "resources/read", "tasks/get", "completion/complete")


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    ("principal", "server", "allowed"),
    [
        (ALICE, "hers", True),
        (BOB, "hers", False),
        (CAROL, "hers", False),
        (LOCAL, "hers", False),
        (PLATFORM, "hers", False),
        (BOB, "theirs", True),
        (ALICE, "theirs", False),
        (LOCAL, "theirs", False),
        (CAROL, "shared", True),
        (LOCAL, "shared", True),
        (ALICE, "shared", False),  # of a team without a rule
    ],
)
def test_only_its_owner_may_call_it(principal: Principal, server: str, allowed: bool, action: str) -> None:
    rules = Rules({}, owners=OWNERS)
    assert rules.decide(principal, action, server, "anything").allowed is allowed
    assert rules.reaches(principal, server) is allowed


def test_a_glob_of_a_team_does_not_reach_what_belongs_to_somebody() -> None:
    rules = Rules({"platform": ["*"], "support": ["*"]}, owners=OWNERS)
    assert not rules.decide(BOB, "tools/call", "hers", "x").allowed
    assert not rules.decide(ALICE, "tools/call", "theirs", "x").allowed
    assert rules.decide(BOB, "tools/call", "shared", "x").allowed


def test_a_key_named_like_a_team_is_not_the_team() -> None:
    assert owners_of(PLATFORM) == ("user:platform",)
    assert not acts_for(PLATFORM, team_owner("platform"))
    assert acts_for(ALICE, team_owner("platform"))


def test_this_machines_own_user_may_manage_everything_and_others_see_only_theirs_and_everybodys() -> None:
    for owner in ("", "user:alice", "team:support"):
        assert acts_for(LOCAL, owner)
    assert is_seen(CAROL, "")
    assert not acts_for(CAROL, "")
    assert not is_seen(CAROL, "user:alice")


def snapshot(*servers: str) -> Snapshot:
    catalogue = Catalogue({Kind.TOOLS: (Item("read", b'{"name":"read"}'),)}, instructions="a secret of its owner's")
    views = [ServerViews(name, catalogue) for name in servers]
    return Snapshot(1, {ALL: at_once(all_servers(views)), **{one.endpoint: one.view for one in views}})


def test_another_key_is_shown_nothing_of_it_and_finds_no_endpoint() -> None:
    permissions = Permissions()
    permissions.configure(Rules({}, owners=OWNERS))
    whole = snapshot("shared", "hers")
    assert {entry.name for entry in permissions.view(whole, ALL, CAROL).of(Kind.TOOLS).entries} == {"shared__read"}
    assert permissions.view(whole, ALL, CAROL).servers == ("shared",)
    assert permissions.view(whole, ALL, CAROL).instructions == ""
    alices = permissions.view(whole, ALL, Principal("key:a", "alice"))
    assert {entry.name for entry in alices.of(Kind.TOOLS).entries} == {"shared__read", "hers__read"}
    with pytest.raises(NotFound):
        permissions.view(whole, server_endpoint("hers"), CAROL)
    with pytest.raises(NotFound):
        permissions.view(whole, server_endpoint("hers"), LOCAL)
    assert permissions.view(whole, server_endpoint("hers"), ALICE).servers == ("hers",)
    assert permissions.view(snapshot("hers"), ALL, CAROL).servers == ()


def test_decisions_that_are_kept_are_kept_for_each_owner_apart() -> None:
    permissions = Permissions()
    permissions.configure(Rules({}, owners=OWNERS))
    route = Route("hers", "read")
    for _ in range(2):
        assert permissions.decide(Principal("key:a", "alice"), "tools/call", route).allowed
        assert not permissions.decide(CAROL, "tools/call", route).allowed
        assert not permissions.decide(LOCAL, "tools/call", route).allowed


def test_callers_who_own_nothing_share_what_was_worked_out() -> None:
    rules = Rules({}, owners=OWNERS)
    assert rules.standing(CAROL) == rules.standing(Principal("key:d", "dora"))
    assert rules.standing(CAROL) != rules.standing(Principal("key:a", "alice"))
    assert rules.standing(CAROL) != rules.standing(LOCAL)


def test_rules_with_other_owners_are_other_rules() -> None:
    assert Rules({}, owners=OWNERS) == Rules({}, owners=dict(OWNERS))
    assert Rules({}) != Rules({}, owners=OWNERS)
    assert Rules({}).are_open
    assert not Rules({}, owners=OWNERS).are_open
