"""Commands that need no gateway, in the home of nobody."""

import json
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from toolgate.cli.main import toolgate
from toolgate.config.load import load

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in ("TOOLGATE_URL", "TOOLGATE_KEY", "TOOLGATE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("TOOLGATE_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Result:
        return CliRunner().invoke(toolgate, words)

    return run


def answered(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


# keys


def test_a_key_is_made_shown_once_listed_and_revoked(run: Run, tmp_path: Path) -> None:
    made = run("keys", "create", "laptop", "--expires", "90d")
    assert made.exit_code == 0
    key = made.stdout.strip()
    assert key.startswith("tg_")
    listed = run("keys", "list").stdout
    assert "laptop" in listed
    assert "active" in listed
    assert key not in listed
    assert run("keys", "revoke", "laptop").exit_code == 0
    assert "revoked" in run("keys", "list").stdout
    with sqlite3.connect(tmp_path / "state" / "toolgate.db") as database:
        assert key not in str(database.execute("SELECT * FROM api_keys").fetchall())
    database.close()


def test_keys_speak_json(run: Run) -> None:
    made = answered(run("keys", "create", "laptop", "--json"))
    assert made["key"].startswith(f"tg_{made['id']}_")
    (listed,) = answered(run("keys", "list", "--json"))["keys"]
    assert (listed["name"], listed["state"], "key" in listed) == ("laptop", "active", False)
    assert answered(run("keys", "revoke", made["id"], "--json"))["revoked"][0]["state"] == "revoked"


def test_wrong_keys_are_refused_with_the_way_out(run: Run) -> None:
    run("keys", "create", "laptop")
    again = run("keys", "create", "laptop")
    assert (again.exit_code, again.stdout) == (1, "")
    assert "keys revoke laptop" in again.stderr
    assert run("keys", "revoke", "nothing").exit_code == 1
    assert run("keys", "create", "x", "--expires", "soon").exit_code == 2


def test_a_key_for_a_team_says_whose_it_is_and_what_is_missing(run: Run, tmp_path: Path) -> None:
    made = run("keys", "create", "desk", "--team", "support", "--team", "platform")
    assert "no rule for team support" in made.stderr
    assert made.stdout.startswith("tg_")
    assert "platform, support" in run("keys", "list").stdout
    rules = "version: 1\naccess: {teams: {support: {allow: [docs]}}}\n"
    (tmp_path / "toolgate.yaml").write_text(rules)
    ruled = run("keys", "create", "other", "--team", "support", "--json")
    assert "no rule" not in ruled.stderr
    assert answered(ruled)["teams"] == ["support"]
    assert run("keys", "create", "third", "--team", "a,b").exit_code == 1


# servers


def test_a_server_is_added_to_the_users_file_shown_and_removed(run: Run, tmp_path: Path) -> None:
    added = run("servers", "add", "time", "--env", "ZONE=${ZONE}", "--", "uvx", "mcp-server-time", "--local")
    assert added.exit_code == 0, added.output
    file = tmp_path / "config" / "toolgate" / "toolgate.yaml"
    assert str(file) in added.stdout
    (server,) = load(file, env={}, home=tmp_path, cwd=tmp_path).servers
    assert server.name == "time"
    assert answered(run("servers", "list", "--json"))["servers"][0]["source"] == "toolgate.yaml"
    shown = run("servers", "show", "time").stdout
    assert "uvx" in shown
    assert "ZONE=${ZONE}" in shown
    assert run("servers", "remove", "time").exit_code == 0
    assert answered(run("servers", "list", "--json")) == {"servers": []}


def test_what_may_be_secret_is_masked_when_a_server_is_shown(run: Run) -> None:
    url = "https://user:hunter2@docs.example.com/key-hunter2/mcp?token=hunter2"
    header = "Authorization: Bearer hunter2"
    assert run("servers", "add", "docs", "--url", url, "--header", header).exit_code == 0
    arguments = ["x", "--token=hunter2", "--token", "hunter2", "-phunter2", "--hunter2:x"]
    assert run("servers", "add", "child", "--env", "KEY=hunter2", "--", *arguments).exit_code == 0
    for words in (["show", "docs"], ["show", "child"], ["show", "docs", "--json"], ["list", "--json"]):
        result = run("servers", *words)
        assert result.exit_code == 0
        assert "hunter2" not in result.output
    assert "docs.example.com" in run("servers", "show", "docs").stdout
    assert answered(run("servers", "show", "child", "--json"))["args"] == [
        *("--token=***", "--token", "***", "-p***", "***"),
    ]


def test_adding_wants_a_command_or_a_url(run: Run) -> None:
    assert run("servers", "add", "time").exit_code == 2
    assert run("servers", "add", "time", "--url", "https://x", "--", "uvx").exit_code == 2
    assert run("servers", "add", "time", "--env", "NOTHING", "--", "uvx").exit_code == 2


def test_a_name_that_is_taken_or_wrong_is_refused(run: Run) -> None:
    assert run("servers", "add", "time", "--", "uvx").exit_code == 0
    taken = run("servers", "add", "time", "--", "other")
    assert taken.exit_code == 4
    assert "there is a server of this name" in taken.stderr
    assert run("servers", "add", "time", "--replace", "--", "other").exit_code == 0
    assert run("servers", "add", "no__way", "--", "uvx").exit_code == 4


def test_an_unknown_server_is_told_with_the_nearest(run: Run) -> None:
    run("servers", "add", "time", "--", "uvx")
    shown = run("servers", "show", "tiem")
    assert shown.exit_code == 1
    assert "did you mean time?" in shown.stderr
    assert run("doctor", "tiem").exit_code == 1


# config


def test_a_good_document_is_valid(run: Run, tmp_path: Path) -> None:
    assert "no toolgate.yaml: defaults are used" in run("config", "check").stdout
    (tmp_path / "toolgate.yaml").write_text("version: 1\nservers: {time: {command: uvx}}\n")
    assert run("config", "check").stdout.splitlines() == [
        f"{tmp_path / 'toolgate.yaml'}: valid",
        "1 server: 1 from toolgate.yaml",
    ]
    assert answered(run("config", "check", "--json"))["servers"] == ["time"]


def test_a_bad_document_ends_with_4_and_names_its_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "toolgate.yaml").write_text("version: 1\ntimeout: soon\n")
    result = run("config", "check")
    assert result.exit_code == 4
    assert "toolgate.yaml:2: timeout" in result.stderr
    assert json.loads(run("config", "check", "--json").stdout)["error"]["code"] == "config-invalid"
    assert run("up").exit_code == 4


def test_the_schema_is_json(run: Run) -> None:
    assert "servers" in answered(run("config", "schema"))["properties"]


def test_the_configuration_in_force_is_shown_without_secrets(run: Run, tmp_path: Path) -> None:
    (tmp_path / "toolgate.yaml").write_text(
        "version: 1\nservers: {a: {command: x, env: {KEY: hunter2, OTHER: '${OTHER}'}}}\n"
        "database: postgresql+asyncpg://me:hunter2@host/db\n"
    )
    text = run("config", "show").stdout
    assert "hunter2" not in text
    assert "${OTHER}" in text
    assert "listen: 127.0.0.1:8765" in text
    assert answered(run("config", "show", "--json"))["document"]["timeout"] == 30.0


# without a gateway


def test_status_without_a_gateway_ends_with_3(run: Run) -> None:
    result = run("status")
    assert result.exit_code == 3
    assert "toolgate up" in result.stderr
    assert run("status", "--url", "http://127.0.0.1:9").exit_code == 3


def test_the_state_folder_is_private(run: Run, tmp_path: Path) -> None:
    run("keys", "list")
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
