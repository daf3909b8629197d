from collections.abc import Mapping
from typing import Any

import pytest

from toolgate.control.plan import Plan, check_own, check_references, from_card, from_definition, own_choices
from toolgate.errors import Forbidden, InvalidParams
from toolgate.model.card import Card

TEXT = "ghp_0123456789abcdef"
BELOW = "connections/it.0000"

CARD = Card.model_validate(
    {
        "name": "mail",
        "title": "Mail",
        "description": "Reads mail.",
        "category": "talk",
        "inputs": [
            {"name": "token", "kind": "secret"},
            {"name": "region", "kind": "choice", "choices": ["eu", "us"], "default": "eu"},
            {"name": "url", "kind": "url", "default": "https://mail.example.com"},
            {"name": "folder", "kind": "path", "required": False},
        ],
        "server": {
            "command": "mail-server",
            "args": ["--region={{region}}", ["--folder", "{{folder}}"]],
            "env": {"TOKEN": "{{token}}", "URL": "{{url}}"},
        },
    }
)


def made(plan: Plan) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    return plan.make(lambda slot: f"${{vault:{slot}@7}}")


def test_the_secret_of_a_card_becomes_a_reference_and_the_rest_stays() -> None:
    plan = from_card(CARD, {"token": TEXT, "region": "us"}, {}, BELOW, "/home/me")
    inputs, definition = made(plan)
    assert {name: secret.reveal() for name, secret in plan.secrets.items()} == {f"{BELOW}/token": TEXT}
    assert inputs == {"region": "us", "token": f"${{vault:{BELOW}/token@7}}"}
    assert definition["env"]["TOKEN"] == f"${{vault:{BELOW}/token@7}}"
    assert definition["args"] == ["--region=us"]
    assert TEXT not in f"{plan!r} {inputs} {definition}"


def test_answers_that_are_given_anew_take_the_place_of_those_kept() -> None:
    kept = {"token": "${vault:connections/it.0000/token@3}", "region": "us", "gone": "of an older card"}
    inputs, _ = made(from_card(CARD, {"region": "eu"}, kept, BELOW, "/home/me"))
    assert inputs == {"token": "${vault:connections/it.0000/token@3}", "region": "eu"}


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({}, "token is missing"),
        ({"token": TEXT, "region": "mars"}, "region"),
        ({"token": TEXT, "nothing": "x"}, "nothing is not asked for"),
        ({"token": TEXT, "folder": "relative"}, "folder should be an absolute path"),
        ({"token": ""}, "token is missing"),
    ],
)
def test_wrong_answers_are_named_and_not_quoted(values: Mapping[str, str], what: str) -> None:
    with pytest.raises(InvalidParams, match=what) as raised:
        from_card(CARD, values, {}, BELOW, "/home/me")
    assert TEXT not in raised.value.message
    assert "mars;" not in raised.value.message


def test_a_secret_with_signs_of_a_reference_in_it_is_a_secret() -> None:
    plan = from_card(CARD, {"token": "pass${word}"}, {}, BELOW, "")
    assert [secret.reveal() for secret in plan.secrets.values()] == ["pass${word}"]


def test_what_a_caller_chooses_beyond_the_card_is_told() -> None:
    assert own_choices(CARD, {"token": TEXT, "region": "us"}) == []
    assert own_choices(CARD, {"url": "https://evil.example.com", "folder": "/etc", "token": TEXT}) == ["folder", "url"]
    own = CARD.model_copy(update={"server": {"command": "{{region}}", "env": CARD.server["env"]}})
    assert own_choices(own, {"region": "us"}) == ["region"]


def test_all_of_env_headers_and_addresses_with_more_than_a_path_is_put_away() -> None:
    plan = from_definition({"command": "x", "env": {"A": TEXT, "B!": 1, "B?": "two", "C": "${NAME}"}}, BELOW)
    _, definition = made(plan)
    assert definition["env"]["C"] == "${NAME}"
    assert sorted(secret.reveal() for secret in plan.secrets.values()) == sorted(["1", TEXT, "two"])
    assert len(set(definition["env"].values())) == 4
    plan = from_definition({"url": f"https://x.example.com/mcp?key={TEXT}", "headers": {"X-Key": TEXT}}, BELOW)
    _, definition = made(plan)
    assert definition == {
        "url": f"${{vault:{BELOW}/url@7}}",
        "headers": {"X-Key": f"${{vault:{BELOW}/headers/X-Key@7}}"},
    }
    plan = from_definition({"url": f"https://me:{TEXT}@x.example.com/"}, BELOW)
    assert [secret.reveal() for secret in plan.secrets.values()] == [f"https://me:{TEXT}@x.example.com/"]


@pytest.mark.parametrize(
    "server",
    [
        {},
        {"command": "x", "url": "https://x.example.com"},
        {"command": "x", "env": {"A": ["s3cr3t"]}},
        {"command": "x", "unknown": "s3cr3t"},
        {"url": "s3cr3t"},
        {"command": "x", "disabled": True},
    ],
)
def test_a_definition_that_is_none_is_refused_without_being_quoted(server: Mapping[str, Any]) -> None:
    with pytest.raises(InvalidParams) as raised:
        from_definition(server, BELOW)
    assert "s3cr3t" not in raised.value.message + raised.value.hint


@pytest.mark.parametrize(
    "value", ["${HOME}", "${vault:-x}", {"env": {"A": "x ${dotenv:KEY}"}}, ["${input:x}"], {"${X}": "y"}]
)
def test_others_may_not_name_what_the_gateway_has(value: Any) -> None:
    with pytest.raises(Forbidden):
        check_references(value)


def test_others_may_name_what_they_have_in_the_vault() -> None:
    check_references({"env": {"A": "Bearer ${vault:mine}"}, "args": [1, None, "$HOME ${"]})


@pytest.mark.parametrize(
    ("extra", "what"),
    [
        ({"cwd": "/"}, "cwd"),
        ({"sandbox": {"mounts": ["/"]}}, "sandbox.mounts"),
        ({"sandbox": {"network": ["x.example.com"], "runtime": "process"}}, "sandbox.runtime"),
        ({"openapi": "/etc/passwd"}, "openapi"),
    ],
)
def test_others_may_not_say_what_their_server_sees_of_this_machine(extra: Mapping[str, Any], what: str) -> None:
    with pytest.raises(Forbidden, match=what):
        check_own({"command": "x", **extra})


def test_others_may_say_what_their_server_is_and_which_hosts_it_needs() -> None:
    check_own({"command": "x", "args": [], "env": {}, "sandbox": {"network": ["x.example.com"]}, "timeout": 3})
