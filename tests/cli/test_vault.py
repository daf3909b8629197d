import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from toolgate.cli.main import toolgate
from toolgate.model.secretref import Reference, Secret
from toolgate.secrets.master_key import FILE, VARIABLE, key_of_file, master_key
from toolgate.secrets.vault import Vault
from toolgate.store.database import Database
from toolgate.store.vault import SealedSecrets

TEXT = "a-value-that-is-nowhere-else"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a secret of alice's in its vault."""
    (tmp_path / "toolgate.yaml").write_text("version: 1\nsources: []\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOOLGATE_STATE", str(tmp_path / "state"))
    monkeypatch.delenv(VARIABLE, raising=False)
    asyncio.run(_put(tmp_path / "state"))
    return tmp_path / "state"


async def _put(state: Path) -> None:
    database = await Database.open("sqlite", state)
    vault = Vault(SealedSecrets(database), lambda make: master_key({}, state, make))
    await vault.put("user:alice", "mail/token", Secret(TEXT))
    await database.close()


async def _value(state: Path, env: dict[str, str]) -> str:
    database = await Database.open("sqlite", state)
    vault = Vault(SealedSecrets(database), lambda make: master_key(env, state, make))
    secret = await vault.get(Reference("~user:alice/mail/token", store="vault"))
    await database.close()
    assert secret is not None
    return secret.reveal()


def run(*arguments: str) -> str:
    result = CliRunner().invoke(toolgate, ["vault", *arguments])
    assert result.exit_code == 0, result.output
    assert TEXT not in result.output
    return result.output


def test_the_names_of_secrets_are_listed_and_no_value(state: Path) -> None:
    assert json.loads(run("list", "--json")) == {
        "secrets": [{"owner": "user:alice", "name": "mail/token", "version": 1}]
    }
    assert "mail/token" in run("list")


def test_another_master_key_takes_over_in_the_state_folder(state: Path, tmp_path: Path) -> None:
    before = (state / FILE).read_bytes()
    assert "1 secrets" in run("rekey", "--to", str(tmp_path / "new.key"))
    assert (state / FILE).read_bytes() == key_of_file(tmp_path / "new.key").reveal() != before
    assert {file.stat().st_mode & 0o777 for file in (state / FILE, tmp_path / "new.key")} == {0o600}
    assert asyncio.run(_value(state, {})) == TEXT


def test_a_master_key_of_the_environment_is_told_to_be_changed(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOOLGATE_MASTER_KEY_FILE", str(state / FILE))
    output = run("rekey", "--to", str(tmp_path / "new.key"))
    assert f"TOOLGATE_MASTER_KEY_FILE={tmp_path / 'new.key'}" in output
    assert asyncio.run(_value(state, {"TOOLGATE_MASTER_KEY_FILE": str(tmp_path / "new.key")})) == TEXT


def test_a_file_that_cannot_be_made_is_named_and_nothing_is_changed(state: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(toolgate, ["vault", "rekey", "--to", str(tmp_path / "none" / "new.key")])
    assert result.exit_code == 1
    assert "cannot be written" in result.output
    assert asyncio.run(_value(state, {})) == TEXT


async def test_a_vault_that_is_open_goes_on_with_the_key_that_took_over(state: Path, tmp_path: Path) -> None:
    database = await Database.open("sqlite", state)
    vault = Vault(SealedSecrets(database), lambda make: master_key({}, state, make))
    reference = Reference("~user:alice/mail/token", store="vault")
    assert await vault.get(reference) == Secret(TEXT)
    await asyncio.to_thread(run, "rekey", "--to", str(tmp_path / "new.key"))
    assert await vault.put("user:alice", "mail/token", Secret("another")) == 2  # with that key, too
    await database.close()
    assert await _value(state, {}) == "another"
