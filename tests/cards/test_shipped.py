"""Every card that is shipped is what it says."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.parts.where import ROOT
from toolgate.config.model import ServerEntry
from toolgate.model.card import Card, Input, Kind
from toolgate.model.grant import Grant
from toolgate.model.server import Stdio
from toolgate.sources.card_profiles import profile_for
from toolgate.sources.cards import Catalogue, parse_card, shipped
from toolgate.sources.packages import started

FILES = sorted((ROOT / "src" / "toolgate" / "cards").glob("*.yaml"))
NAMES = (  # noqa: SIM905  # a list is read, forty strings are not
    "filesystem fetch git github gitlab slack google-drive gmail-calendar jira confluence linear notion sentry postgres"
    " supabase mongodb redis snowflake qdrant mem0 n8n hubspot gong openrouter portkey lambda-labs estuary-flow stripe"
    " pulumi docker kubernetes browser memory time sequential-thinking custom custom-http custom-openapi custom-graphql"
).split()
# What works on this machine alone.
LOCAL = {"filesystem", "git", "memory", "time", "sequential-thinking", "docker"}

every_card = pytest.mark.parametrize("card", shipped(), ids=lambda card: card.name)


def sample(entry: Input) -> str:
    if entry.secret:
        return f"${{{entry.name.upper()}}}"
    return entry.example or entry.default or (*entry.choices, "/sample" if entry.kind is Kind.PATH else "sample")[0]


def samples(card: Card, *, optional: bool) -> dict[str, Any]:
    return {entry.name: sample(entry) for entry in card.inputs if entry.required or optional}


def hosts(card: Card) -> tuple[str, ...]:
    sandbox = ServerEntry.model_validate(card.filled(samples(card, optional=True))).sandbox
    return sandbox.network if sandbox is not None else ()


def test_all_that_were_promised_are_there_and_no_name_is_twice() -> None:
    assert sorted(card.name for card in shipped()) == sorted(NAMES)
    assert len(FILES) == len(NAMES)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_card_is_in_the_file_of_its_name(file: Path) -> None:
    assert parse_card(file.read_text()).name == file.stem


@every_card
@pytest.mark.parametrize("optional", [False, True])
def test_a_card_filled_with_samples_is_a_server(card: Card, optional: bool) -> None:
    entry = ServerEntry.model_validate(card.filled(samples(card, optional=optional), home="/home/me"))
    assert entry.transport is not None
    assert isinstance(entry.transport, Stdio) == (card.transport == "stdio")
    assert "{{" not in str(card.filled(samples(card, optional=optional)))


@every_card
def test_nothing_is_filled_in_where_an_answer_is_missing(card: Card) -> None:
    for entry in card.missing({}):
        answers = samples(card, optional=True)
        del answers[entry.name]
        assert [(problem.input, problem.reason) for problem in card.problems(answers)] == [(entry.name, "is missing")]


@every_card
def test_what_is_started_is_pinned_to_the_version_that_was_tried(card: Card) -> None:
    if card.transport != "stdio" or card.name == "custom":
        return
    assert card.tried is not None
    assert card.tried.version
    assert re.search(rf"(@|==){re.escape(card.tried.version)}(\W|$)", " ".join(map(str, card.server["args"])))


@every_card
def test_a_card_names_the_package_that_it_starts(card: Card) -> None:
    args = [str(word) for item in card.server.get("args", ()) for word in (item if isinstance(item, list) else [item])]
    found = started(str(card.server.get("command", "")), args)
    if card.transport == "stdio" and card.name != "custom":
        assert found is not None
        assert (found.registry, found.name) in {(package.registry, package.name) for package in card.packages}


@every_card
def test_what_needs_a_network_says_which_hosts(card: Card) -> None:
    if card.transport != "stdio":
        return
    found = hosts(card)
    assert bool(found) == (card.name not in LOCAL)
    for host in found:
        Grant.parse(host)


@every_card
def test_pages_are_https_and_texts_are_sentences(card: Card) -> None:
    assert card.docs.startswith("https://") or card.category == "own"
    assert card.description.endswith(".")
    assert card.title[0].isupper() or card.name == "n8n"
    for entry in card.inputs:
        assert entry.title
        assert not entry.where.startswith("http://")
        assert not entry.help or entry.help.endswith((".", "below."))


@every_card
def test_how_far_it_was_tried_is_said(card: Card) -> None:
    assert card.tried is not None or card.category == "own"
    if card.tried is not None and card.tried.how == "listed":
        assert card.tools
    if card.tried is not None and card.tried.how != "listed":
        assert card.tried.note


@every_card
def test_a_server_found_elsewhere_gets_the_profile_of_its_card(card: Card) -> None:
    for package in card.packages:
        runner, spec = {
            "npm": ("npx", ["-y", package.name]),
            "pypi": ("uvx", [package.name]),
            "oci": ("docker", ["run", "-i", "--rm", package.name]),
        }[package.registry]
        assert profile_for(runner, spec) is not None


def test_a_card_is_found_by_what_people_call_it() -> None:
    catalogue = Catalogue()
    for words, best in {
        "github": "github",
        "files": "filesystem",
        "atlassian wiki": "confluence",
        "k8s": "kubernetes",
        "payments": "stripe",
        "valkey": "redis",
        "mail": "gmail-calendar",
    }.items():
        assert catalogue.search(words)[0].name == best, words
    assert catalogue.search("no such thing") == ()
    assert len(catalogue.search("")) == len(NAMES)
