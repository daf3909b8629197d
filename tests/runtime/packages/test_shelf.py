import hashlib
import os
from pathlib import Path

from toolgate.runtime.packages.manifest import Manifest, Part, Program
from toolgate.runtime.packages.shelf import Shelf, size_of

SCRIPT = b"print(1)"


def put(shelf: Shelf, key: str, name: str, used: float) -> Path:
    """Install something of a file."""
    held = shelf.lock(key)
    assert held is not None
    partial = shelf.begin(key)
    (partial / "main.py").write_bytes(SCRIPT)
    program = Program("python", ("./main.py",), "./main.py", hashlib.sha256(SCRIPT).hexdigest(), ".")
    part = Part(name, "1", f"sha256:{name}")
    whole = shelf.finish(key, partial, Manifest("npm", name, (), name, "1", "node", "here", (), (part,), program))
    shelf.unlock(key, held)
    os.utime(whole / "installed.json", (used, used))
    return whole


def test_the_longest_unused_go_first_and_what_runs_stays(tmp_path: Path) -> None:
    ours, others = Shelf(tmp_path, kept=2), Shelf(tmp_path)
    old, running, newer, newest = (put(ours, key, key, at) for at, key in enumerate(("a", "b", "c", "d"), 1))
    assert others.find("b") is not None  # another process runs it
    os.utime(running / "installed.json", (2, 2))

    ours.clean()

    assert not old.exists()
    assert all(folder.exists() for folder in (running, newer, newest))
    assert ours.find("a") is None
    assert ours.names() == {"b", "c", "d"}
    others.close()
    ours.clean()
    assert not running.exists()
    ours.close()


def test_all_together_are_bounded(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, total=1)
    folder = put(shelf, "a", "a", 1)
    assert size_of(folder) > 1

    shelf.clean()

    assert not folder.exists()


def test_the_same_packages_are_kept_once(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)

    assert put(shelf, "floating", "a", 1) == put(shelf, "exact", "a", 1)


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    one, other = Shelf(tmp_path), Shelf(tmp_path)
    held = one.lock("a")
    assert held is not None
    assert other.lock("a") is None
    one.unlock("a", held)
    again = other.lock("a")
    assert again is not None
    other.unlock("a", again)


def test_a_half_written_manifest_is_no_install(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    folder = put(shelf, "a", "a", 1)
    (folder / "installed.json").write_text('{"name":')

    assert shelf.find("a") is None
    assert put(shelf, "a", "a", 1) == folder
    assert shelf.find("a") is not None
    shelf.close()
