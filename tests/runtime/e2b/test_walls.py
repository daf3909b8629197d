from pathlib import Path

import pytest

from toolgate.model.profile import Wall
from toolgate.runtime.e2b.walls import judged
from toolgate.runtime.protections import Grade

SAID = {"able": "yes", "read": "no", "machine": "no", "outside": "no", "boot": "0b7d1f5e-another-machine"}


def test_a_machine_of_its_own_is_said_to_be_what_was_seen_and_no_more() -> None:
    found = judged(SAID)
    assert set(found) == set(Wall)
    assert {wall for wall in Wall if found[wall].grade is Grade.ENFORCED} == {
        Wall.FILESYSTEM,
        Wall.NETWORK,
        Wall.SYSCALLS,
    }
    assert all(finding.reason for finding in found.values() if finding.grade is not Grade.ENFORCED)


@pytest.mark.parametrize(
    ("said", "wall", "reason"),
    [
        ({"outside": "yes"}, Wall.NETWORK, "the network can be reached"),
        ({"outside": "yes"}, Wall.EGRESS, "the network can be reached"),
        ({"machine": "yes"}, Wall.NETWORK, "what listens on this machine can be reached"),
        ({"able": ""}, Wall.NETWORK, "its template has no `timeout` to try it with"),
        ({"read": "yes"}, Wall.FILESYSTEM, "files of this machine can be read"),
        ({"read": ""}, Wall.FILESYSTEM, "files of this machine can be read"),
        ({"boot": ""}, Wall.SYSCALLS, "it runs on this machine's own kernel"),
    ],
)
def test_what_was_reached_is_absent(said: dict[str, str], wall: Wall, reason: str) -> None:
    found = judged({**SAID, **said})
    assert found[wall].grade is Grade.ABSENT
    assert found[wall].reason == reason


def test_the_kernel_of_this_machine_is_known() -> None:
    own = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    assert judged({**SAID, "boot": own})[Wall.SYSCALLS].grade is Grade.ABSENT


def test_nothing_said_of_the_network_is_no_wall() -> None:
    found = judged({"able": "yes", "read": "no", "boot": "another"})
    assert found[Wall.NETWORK].grade is Grade.ABSENT
