import fcntl
import os
from pathlib import Path

from toolgate.runtime.private_rooms import Rooms


def test_a_room_is_for_its_user_alone_and_is_removed_with_all_in_it(tmp_path: Path) -> None:
    rooms = Rooms(tmp_path)
    room = rooms.make(None)
    assert (room.tmp.stat().st_mode & 0o777, room.home.stat().st_mode & 0o777) == (0o700, 0o700)
    (room.tmp / "folder").mkdir()
    (room.tmp / "folder/file").write_text("x")
    (room.tmp / "folder").chmod(0)
    room.remove()
    assert not room.path.exists()


def test_what_is_linked_to_from_a_room_stays(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_text("x")
    rooms = Rooms(tmp_path)
    room = rooms.make(None)
    (room.tmp / "link").symlink_to(tmp_path / "kept")
    room.remove()
    assert (tmp_path / "kept/file").read_text() == "x"


def test_a_room_deeper_than_any_name_can_be_is_removed(tmp_path: Path) -> None:
    rooms = Rooms(tmp_path)
    room = rooms.make(None)
    at = os.open(room.tmp, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("deeper", dir_fd=at)
        below = os.open("deeper", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    room.remove()
    assert not room.path.exists()


def test_rooms_of_a_gateway_that_is_gone_are_removed_and_those_of_one_that_lives_are_not(tmp_path: Path) -> None:
    living = Rooms(tmp_path)
    living.make(None)
    dead = tmp_path / f"toolgate-{os.geteuid()}-dead"
    dead.mkdir()
    (dead / ".lock").touch()
    other = Rooms(tmp_path)
    other.make(None)
    assert not dead.exists()
    assert len(list(tmp_path.iterdir())) == 2


def test_folders_that_only_look_like_ours_are_left_alone(tmp_path: Path) -> None:
    strange = tmp_path / f"toolgate-{os.geteuid()}-strange"
    strange.mkdir()
    (tmp_path / f"toolgate-{os.geteuid()}-link").symlink_to(strange)
    Rooms(tmp_path).make(None)
    assert strange.is_dir()


def test_closing_leaves_nothing_and_the_next_begins_anew(tmp_path: Path) -> None:
    rooms = Rooms(tmp_path)
    rooms.make(None)
    rooms.close()
    rooms.close()
    assert not list(tmp_path.iterdir())
    room = rooms.make(None)
    with (room.path.parent / ".lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
    raise AssertionError("nobody holds the lock")
