import pytest

from tests.runtime.contract import Life
from toolgate.model.profile import Wall
from toolgate.runtime.process import Plain
from toolgate.runtime.protections import Grade


@pytest.fixture
def runtime() -> Plain:
    return Plain()


class TestPlain(Life):
    pass


async def test_no_wall_holds_and_each_says_what_that_means(runtime: Plain) -> None:
    found = await runtime.probe()
    assert set(found) == set(Wall)
    assert {finding.grade for wall, finding in found.items() if wall is not Wall.CPU} == {Grade.ABSENT}
    assert found[Wall.CPU].grade is not Grade.ENFORCED
    assert all(finding.reason for finding in found.values())
