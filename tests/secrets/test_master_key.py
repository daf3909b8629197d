import base64
import stat
from pathlib import Path

import pytest

from toolgate.errors import VaultLocked
from toolgate.secrets.master_key import FILE, VARIABLE, VARIABLE_OF_FILE, MasterKey, master_key

RAW = bytes(range(100, 132))
TEXT = base64.b64encode(RAW).decode()


def test_the_environment_counts_before_a_file_and_that_before_the_state_folder(tmp_path: Path) -> None:
    file = tmp_path / "named"
    file.write_bytes(base64.b64encode(bytes(32)) + b"\n")
    file.chmod(0o600)
    env = {VARIABLE: TEXT, VARIABLE_OF_FILE: str(file)}
    assert master_key(env, tmp_path, make=True).reveal() == RAW
    assert master_key({VARIABLE_OF_FILE: str(file)}, tmp_path, make=True).reveal() == bytes(32)
    assert not (tmp_path / FILE).exists()


def test_one_is_made_for_its_owner_alone_and_found_again(tmp_path: Path) -> None:
    made = master_key({}, tmp_path, make=True)
    assert len(made.reveal()) == 32
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert master_key({}, tmp_path, make=False).id == made.id


def test_none_is_made_where_something_was_sealed_already(tmp_path: Path) -> None:
    with pytest.raises(VaultLocked, match="is not there") as raised:
        master_key({}, tmp_path, make=False)
    assert VARIABLE in raised.value.hint
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o601, 0o666])
@pytest.mark.parametrize("named", [True, False])
def test_a_file_that_others_can_open_is_refused(tmp_path: Path, mode: int, named: bool) -> None:
    file = tmp_path / FILE
    file.write_bytes(RAW)
    file.chmod(mode)
    with pytest.raises(VaultLocked, match="open to other users") as raised:
        master_key({VARIABLE_OF_FILE: str(file)} if named else {}, tmp_path, make=True)
    assert "chmod 600" in raised.value.hint


@pytest.mark.parametrize("text", ["short", "!" * 44, base64.b64encode(bytes(31)).decode(), TEXT * 2])
def test_what_is_no_key_is_refused_without_being_quoted(tmp_path: Path, text: str) -> None:
    with pytest.raises(VaultLocked, match="does not hold a master key") as raised:
        master_key({VARIABLE: text}, tmp_path, make=True)
    assert text not in raised.value.message + raised.value.hint
    file = tmp_path / "key"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(VaultLocked, match="does not hold a master key"):
        master_key({VARIABLE_OF_FILE: str(file)}, tmp_path, make=True)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(VaultLocked, match=r"missing\.key cannot be read"):
        master_key({VARIABLE_OF_FILE: str(tmp_path / "missing.key")}, tmp_path, make=True)


def test_a_key_never_prints_itself() -> None:
    key = MasterKey(RAW)
    assert repr(key) == f"MasterKey({key.id})"
    assert RAW.hex() not in repr(key)
    assert MasterKey(bytes(32)).id != key.id
