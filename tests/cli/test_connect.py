"""`connect`, `disconnect`, `test`, `cards` and `search`, against a gateway that answers from a table."""

import json
import zipfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.cli.stub import Asked, stub_gateway
from tests.sources.registry_double import Double, registry_double
from toolgate.cli import asking
from toolgate.cli.main import toolgate
from toolgate.sources.cards import shipped

Run = Callable[..., Result]

FINE = {"ok": True, "took_ms": 1234.5, "tools": [f"tool-{number}" for number in range(14)], "error": None}
REFUSED = {
    "ok": False,
    "took_ms": 3.0,
    "tools": [],
    "error": {"code": "x", "message": "refuses access", "hint": "a key"},
}


class Gateway:
    """Remembers what it was asked; `outcome` is what tests answer."""

    def __init__(self) -> None:
        self.outcome: dict[str, Any] = FINE
        self.connections: list[dict[str, Any]] = []
        self.cards = [card.to_json() for card in shipped()]
        self.asked: list[Asked] = []
        self.url = ""

    def __call__(self, asked: Asked) -> tuple[int, str, bytes]:
        status, body = self._answer(asked["method"], asked["path"].removeprefix("/api/v1/"), asked["body"])
        return status, "application/json", json.dumps(body).encode()

    def _answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        match method, path.split("/"):
            case "GET", ["cards"]:
                return 200, {"cards": self.cards}
            case "POST", ["cards"]:
                return 201, body["card"]
            case "GET", ["connections"]:
                return 200, {"connections": self.connections}
            case "POST", ["connections"]:
                return 201, {"id": "1", "name": body["name"], "server": f"{body['name']}-ab", "inputs": body["values"]}
            case "POST", ["connections", _, "test"]:
                return 200, self.outcome
            case "DELETE", ["connections", gone]:
                return 200, {"removed": gone}
        return 404, {"error": {"code": "not-found", "message": path}}

    def changes(self) -> list[tuple[str, str, Any]]:
        return [
            (asked["method"], asked["path"].removeprefix("/api/v1/"), asked["body"])
            for asked in self.asked
            if asked["method"] != "GET"
        ]


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("TOOLGATE_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("TOOLGATE_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    made = Gateway()
    with stub_gateway(made) as (url, asked):
        made.url, made.asked = url, asked
        monkeypatch.setenv("TOOLGATE_URL", url)
        yield made


@pytest.fixture
def run(gateway: Gateway) -> Run:
    return lambda *words, answers="": CliRunner().invoke(toolgate, words, input=answers)


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_is_person", lambda: True)


def test_a_card_is_installed_tried_and_its_tools_are_shown(run: Run, gateway: Gateway) -> None:
    done = run("connect", "filesystem", "--set", "path=/a", "--set", "path=/b", "--as", "documents", "--team", "desk")
    assert done.exit_code == 0, done.output
    assert gateway.changes() == [
        ("POST", "connections", {
            "card": "filesystem", "name": "documents", "values": {"path": ["/a", "/b"]}, "team": "desk",
        }),
        ("POST", "connections/1/test", None),
    ]  # fmt: skip
    assert "documents: 14 tools, in 1.2 s" in done.stdout
    assert "tool-11, and 2 more" in done.stdout
    assert done.stdout.splitlines()[-1] == "next: toolgate tools documents-ab"


def test_what_is_missing_is_asked_for_and_secrets_are_not_shown(run: Run, gateway: Gateway, person: None) -> None:
    done = run("connect", "github", answers="hunter2\n")
    assert done.exit_code == 0, done.output
    assert gateway.changes()[0][2]["values"] == {"token": "hunter2"}
    assert "https://github.com/settings" in done.output
    assert "hunter2" not in done.output


def test_a_wrong_answer_is_asked_for_again(run: Run, gateway: Gateway, person: None) -> None:
    done = run("connect", "filesystem", answers="relative\n/a\n/b\n\n")
    assert done.exit_code == 0, done.output
    assert "should be an absolute path" in done.output
    assert gateway.changes()[0][2]["values"] == {"path": ["/a", "/b"]}


def test_without_a_person_what_is_missing_is_named(run: Run, gateway: Gateway) -> None:
    done = run("connect", "postgres", "--set", "host=db.example.com")
    assert done.exit_code == 1
    assert "PostgreSQL needs database, user, password" in done.stderr
    assert "toolgate connect postgres --set database=… --set user=… --set password=…" in done.stderr
    assert gateway.changes() == []


def test_a_secret_comes_from_a_file_or_by_reference(run: Run, gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hunter2\n")
    assert run("connect", "github", "--set", f"token=@{tmp_path}/token").exit_code == 0
    assert run("connect", "github", "--set", "token=${GITHUB_TOKEN}").exit_code == 0
    values = [body["values"] for _, path, body in gateway.changes() if path == "connections"]
    assert values == [{"token": "hunter2"}, {"token": "${GITHUB_TOKEN}"}]
    missing = run("connect", "github", "--set", "token=@none")
    assert (missing.exit_code, "cannot be read" in missing.stderr) == (1, True)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("path=relative", "should be an absolute path"),
        ("paht=/a", "is not asked for; it asks for path"),
        ("path=${HOME}", "goes where a secret is asked for"),
    ],
)
def test_a_wrong_answer_is_refused_before_anything_is_sent(run: Run, gateway: Gateway, given: str, reason: str) -> None:
    done = run("connect", "filesystem", "--set", given)
    assert done.exit_code == 1
    assert reason in done.stderr
    assert gateway.changes() == []
    assert run("connect", "filesystem", "--set", "path").exit_code == 2


def test_what_cannot_be_reached_is_not_kept_unless_it_is_to_be(run: Run, gateway: Gateway) -> None:
    gateway.outcome = REFUSED
    done = run("connect", "github", "--set", "token=wrong")
    assert done.exit_code == 1
    assert "github: refuses access\n  try: a key" in done.stderr
    assert gateway.changes()[-1][:2] == ("DELETE", "connections/1")
    kept = run("connect", "github", "--set", "token=wrong", "--keep")
    assert kept.exit_code == 1
    assert "toolgate test github" in kept.stderr
    assert gateway.changes()[-1][:2] == ("POST", "connections/1/test")


def test_a_card_that_is_signed_in_to_says_so(run: Run, gateway: Gateway) -> None:
    gateway.outcome = REFUSED
    assert "wants to know who asks" in run("connect", "linear").stderr


def test_it_speaks_json_and_asks_nothing_then(run: Run, gateway: Gateway, person: None) -> None:
    done = run("connect", "time", "--json")
    assert json.loads(done.stdout)["test"] == FINE
    failed = run("connect", "github", "--json")
    assert failed.exit_code == 1
    assert json.loads(failed.stdout)["error"]["code"] == "inputs-missing"


def test_a_card_that_is_not_there_has_neighbours(run: Run) -> None:
    done = run("connect", "githob")
    assert done.exit_code == 1
    assert "did you mean github?" in done.stderr
    assert "toolgate search githob" in done.stderr


@pytest.fixture
def registry(gateway: Gateway, tmp_path: Path) -> Iterator[Double]:
    package = {"registryType": "npm", "identifier": "weather", "version": "1.0.0", "transport": {"type": "stdio"}}
    key = {"name": "KEY", "isRequired": True, "isSecret": True}
    weather = {"name": "com.example/weather", "description": "Weather", "version": "1.0.0", "status": "deprecated"}
    with registry_double([{**weather, "packages": [{**package, "environmentVariables": [key]}]}]) as double:
        (tmp_path / "toolgate.yaml").write_text(f"version: 1\nregistry: {double.url}\n")
        yield double


def test_an_entry_of_the_registry_becomes_a_card_and_is_installed(run: Run, gateway: Gateway, registry: Double) -> None:
    done = run("connect", "com.example/weather", "--set", "KEY=x")
    assert done.exit_code == 0, done.output
    (_, first, saved), (_, second, made), _ = gateway.changes()
    assert (first, saved["card"]["name"]) == ("cards", "com.example.weather")
    assert (second, made) == ("connections", {"card": "com.example.weather", "name": "weather", "values": {"KEY": "x"}})
    assert "com.example/weather is deprecated" in done.stderr


def test_search_looks_among_cards_and_in_the_registry(run: Run, gateway: Gateway, registry: Double) -> None:
    done = run("search", "weather")
    assert done.exit_code == 0, done.output
    assert "com.example/weather  1.0.0    (deprecated) Weather" in done.stdout
    found = json.loads(run("search", "mail", "--json").stdout)
    assert [card["name"] for card in found["cards"]] == ["gmail-calendar"]
    assert found["registry"] == []
    registry.answer = (500, b"", {})
    failed = run("search", "mail")
    assert failed.exit_code == 0
    assert "gmail-calendar" in failed.stdout
    assert "answered with HTTP 500" in failed.stderr


def connection(name: str, id: str, owner: str = "") -> dict[str, Any]:  # noqa: A002
    return {"id": id, "name": name, "server": f"{name}-{id}", "owner": owner}


def test_a_connection_is_tried_and_removed_by_its_name(run: Run, gateway: Gateway) -> None:
    gateway.connections = [connection("git", "1"), connection("git", "2", "team:desk"), connection("time", "3")]
    assert run("test", "time").exit_code == 0
    assert run("disconnect", "time").stdout == "removed time and its secrets\n"
    assert run("disconnect", "git", "--team", "desk", "--json").exit_code == 0
    assert [path for _, path, _ in gateway.changes()] == ["connections/3/test", "connections/3", "connections/2"]
    two = run("disconnect", "git")
    assert (two.exit_code, "git-1 (of all), git-2 (team:desk)" in two.stderr) == (1, True)
    none = run("test", "tme")
    assert (none.exit_code, "did you mean time?" in none.stderr) == (1, True)
    gateway.outcome = REFUSED
    assert run("test", "time", "--json").exit_code == 1


def test_cards_are_listed_found_and_shown(run: Run) -> None:
    assert "Read web pages" in run("cards").stdout
    assert run("cards", "k8s").stdout.splitlines()[1].startswith("kubernetes ")
    assert run("cards", "list", "k8s", "--json").exit_code == 0
    shown = run("cards", "show", "github").stdout
    assert "token (secret): Personal access token." in shown
    assert "install it:  toolgate connect github" in shown
    assert json.loads(run("cards", "show", "github", "--json").stdout)["name"] == "github"
    assert "look" in run("cards", "nothing-of-the-kind").stderr
    assert run("cards", "show", "nothing").exit_code == 1
    assert "show" in run("cards", "--help").stdout


def test_cards_need_no_gateway_and_connect_says_how_to_start_one(
    run: Run, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("TOOLGATE_URL")
    (tmp_path / "state" / "cards").mkdir(parents=True)
    (tmp_path / "state" / "cards" / "ours.yaml").write_text(
        "name: ours\ntitle: Ours\ndescription: Ours.\ncategory: own\nserver: {command: x}\n"
    )
    assert "ours" in run("cards", "ours").stdout
    done = run("connect", "time")
    assert done.exit_code == 3
    assert "toolgate up" in done.stderr
    assert gateway.asked == []


def test_a_bundle_is_installed_by_its_digest(run: Run, gateway: Gateway, tmp_path: Path) -> None:
    server = {"type": "node", "mcp_config": {"command": "node", "args": ["${__dirname}/a.js"]}}
    manifest = {"manifest_version": "0.3", "name": "notes", "description": "Notes", "server": server}
    with zipfile.ZipFile(tmp_path / "notes.mcpb", "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        archive.writestr("a.js", "//")
    digest = sha256((tmp_path / "notes.mcpb").read_bytes()).hexdigest()
    done = run("connect", "notes.mcpb", "--digest", digest)
    assert done.exit_code == 0, done.output
    (_, _, saved), (_, _, made), _ = gateway.changes()
    assert saved["card"]["server"]["args"] == [str(tmp_path / "state" / "bundles" / digest / "a.js")]
    assert (made["card"], made["name"]) == ("mcpb.notes", "notes")
    without = run("connect", "notes.mcpb")
    assert (without.exit_code, "needs its SHA-256" in without.stderr) == (1, True)
