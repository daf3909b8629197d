from pathlib import Path

from toolgate.store.database import Database
from toolgate.store.halts import Halts


async def test_what_a_person_has_stopped_is_known_to_the_next_gateway(tmp_path: Path) -> None:
    database = await Database.open("sqlite", tmp_path)
    halts = await Halts.open(database)
    await halts.note("time", "key ci")
    await halts.note("time", "local user")
    await halts.note("git", "local user")
    await halts.forget("git")
    await halts.forget("never stopped")
    again = await Halts.open(database)
    assert [again.by(name) for name in ("time", "git", "other")] == ["local user", "", ""]
    await database.close()
