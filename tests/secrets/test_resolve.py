from collections.abc import Mapping
from pathlib import Path

import pytest

from toolgate.errors import SecretMissing
from toolgate.model.secretref import Template
from toolgate.secrets.dotenv import DotenvStore
from toolgate.secrets.environment import EnvironmentStore
from toolgate.secrets.resolve import Resolver


def resolver(tmp_path: Path, env: Mapping[str, str], dotenv: str = "") -> Resolver:
    (tmp_path / ".env").write_text(dotenv)
    return Resolver((EnvironmentStore(env), DotenvStore(tmp_path / ".env")))


@pytest.mark.parametrize(
    ("text", "resolved"),
    [
        ("plain $A", "plain $A"),
        ("${A}", "one"),
        ("${A}${A}-${B}", "oneone-two"),
        ("${C:-dflt}", "dflt"),
        ("${A:-dflt}", "one"),
        ("${EMPTY}", ""),
        ("${EMPTY:-dflt}", "dflt"),
        ("${C:-}", ""),
        ("${LATER}", "${A}"),
        ("${dotenv:A}", "other"),
        ("${environment:A}", "one"),
        ("${input:A}", "one"),
        ("${input:github-token}", "tok"),
    ],
)
async def test_references_resolve_as_in_a_shell(tmp_path: Path, text: str, resolved: str) -> None:
    env = {"A": "one", "EMPTY": "", "LATER": "${A}", "GITHUB_TOKEN": "tok"}
    secrets = resolver(tmp_path, env, "A=other\nB=two\n")
    assert (await secrets.resolve(Template(text))).reveal() == resolved


async def test_what_is_missing_is_named_with_its_server_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SecretMissing) as caught:
        await resolver(tmp_path, {}).resolve(Template("Bearer ${DOCS_TOKEN}"), "docs")
    assert caught.value.message == "docs: ${DOCS_TOKEN} has no value"
    assert caught.value.hint == f"set DOCS_TOKEN in the environment or in {tmp_path / '.env'}"


async def test_an_input_of_an_editor_says_which_variable_answers_it(tmp_path: Path) -> None:
    with pytest.raises(SecretMissing) as caught:
        await resolver(tmp_path, {}).resolve(Template("${input:github-token}"))
    assert "GITHUB_TOKEN" in caught.value.hint


async def test_an_unknown_store_is_told_together_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(SecretMissing, match="names a store that is not known") as caught:
        await resolver(tmp_path, {}).resolve(Template("${vault:a/b#c}"), "docs")
    assert caught.value.hint == "known: environment, dotenv"


async def test_a_reference_inside_a_default_is_refused_rather_than_sent(tmp_path: Path) -> None:
    with pytest.raises(SecretMissing, match="has a reference in it"):
        await resolver(tmp_path, {"A": "x"}).resolve(Template("${A:-${B}}"))


async def test_errors_hold_no_value_and_no_default(tmp_path: Path) -> None:
    with pytest.raises(SecretMissing) as caught:
        await resolver(tmp_path, {"A": "hunter2"}).resolve(Template("hunter2 ${A} ${B} ${C:-hunter2}"), "docs")
    assert "hunter2" not in f"{caught.value} {caught.value.hint} {caught.value.data()}"
