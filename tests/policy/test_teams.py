import pytest

from toolgate.model.names import exposed_name
from toolgate.model.principal import LOCAL, Principal
from toolgate.policy.teams import Rules

RULES = Rules(
    {
        "platform": ["*"],
        "support": ["docs", "github__search_*"],
        "readers": ["docs__docs://public/*", "docs__read"],
    }
)


def of(*teams: str) -> Principal:
    return Principal("key:k", "k", tuple(sorted(teams)))


@pytest.mark.parametrize(
    ("principal", "action", "server", "name", "allowed"),
    [
        (of("platform"), "tools/call", "github", "delete", True),
        (of("support"), "tools/call", "github", "search_code", True),
        (of("support"), "tools/call", "github", "delete", False),
        (of("support"), "tools/call", "docs", "anything", True),
        (of("support"), "resources/read", "docs", "docs://x", True),
        (of("support"), "tools/call", "docs2", "anything", False),
        (of("support"), "prompts/get", "github", "search_help", True),
        (of("readers"), "resources/read", "docs", "docs://public/a", True),
        (of("readers"), "resources/read", "docs", "docs://private/a", False),
        (of("readers"), "tools/call", "docs", "read_all", False),
        (of("readers", "support"), "tools/call", "docs", "read_all", True),
        (of("unheard-of"), "tools/call", "docs", "read", False),
        (of("unheard-of", "support"), "tools/call", "docs", "read", True),
        (of(), "tools/call", "docs", "read", True),
        (LOCAL, "tools/call", "docs", "read", True),
        (of("support"), "tasks/get", "github", "any-id", True),
        (of("support"), "tasks/get", "mail", "any-id", False),
        (of("readers"), "tasks/get", "doc", "any-id", False),
    ],
)
def test_a_team_may_call_what_its_globs_name(
    principal: Principal, action: str, server: str, name: str, allowed: bool
) -> None:
    assert RULES.decide(principal, action, server, name).allowed is allowed


def test_a_refusal_names_the_team_and_the_rule() -> None:
    assert "access.teams.support.allow" in RULES.decide(of("support"), "tools/call", "mail", "send").reason
    assert "no rule for team unheard-of" in RULES.decide(of("unheard-of"), "tools/call", "mail", "send").reason


def test_a_key_of_no_team_may_call_nothing_where_the_configuration_says_so_and_this_machine_still_may() -> None:
    rules = Rules({}, everything=False)
    refused = rules.decide(of(), "tools/call", "docs", "read")
    assert not refused.allowed
    assert "access.without_team" in refused.reason
    assert rules.decide(LOCAL, "tools/call", "docs", "read").allowed


def test_a_team_without_rules_may_call_nothing_even_where_there_are_no_rules_at_all() -> None:
    assert not Rules({}).decide(of("support"), "tools/call", "docs", "read").allowed


def test_a_name_that_is_shortened_on_mcp_is_allowed_under_both_spellings() -> None:
    long = "x" * 100
    shown = exposed_name("docs", long)
    assert shown != f"docs__{long}"
    for glob in (shown, f"docs__{long}", "docs__*"):
        assert Rules({"t": [glob]}).decide(of("t"), "tools/call", "docs", long).allowed
