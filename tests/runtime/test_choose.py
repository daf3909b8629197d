import logging

import pytest

from tests.runtime.contract import Told
from toolgate.errors import StartFailed
from toolgate.model.profile import Profile, Wall
from toolgate.runtime import process
from toolgate.runtime.base import Launch, Output, Redact, Running
from toolgate.runtime.choose import Choice
from toolgate.runtime.protections import Finding, Grade, Protections


class Recorded:
    """A sandbox that starts without walls and says of them what it was told to say."""

    def __init__(self, name: str, *, broken: str = "", weak: frozenset[Wall] = frozenset()) -> None:
        self.name = name
        self.broken = broken
        self.weak = weak
        self.started: list[str] = []
        self.probes = 0

    async def __call__(self, name: str, launch: Launch, output: Output, *, limit: int, redact: Redact) -> Running:
        if self.broken:
            raise StartFailed(self.broken)
        self.started.append(name)
        return await process.start(name, launch, output, limit=limit, redact=redact)

    async def probe(self) -> Protections:
        self.probes += 1
        return {
            wall: Finding(Grade.PARTIAL, "only a little") if wall in self.weak else Finding(Grade.ENFORCED)
            for wall in Wall
        }

    async def close(self) -> None:
        """Nothing is left."""


async def start(choice: Choice, profile: Profile = Profile(), name: str = "docs") -> None:
    launch = Launch("/bin/true", (), {}, profile=profile)
    running = await choice(name, launch, Told(), limit=1024, redact=str)
    await running.stop(0)


async def test_the_first_that_works_is_taken_and_looked_at_once() -> None:
    broken, good, other = Recorded("broken", broken="no"), Recorded("good"), Recorded("other")
    choice = Choice([broken, good, other])
    for _ in range(2):
        await start(choice)
    assert good.started == ["canary", "docs", "docs"]
    assert other.started == []
    assert good.probes == 0  # nothing was asked of it that needs to be known
    await choice.close()


async def test_a_named_one_is_taken_and_no_other() -> None:
    good, other = Recorded("good"), Recorded("other")
    choice = Choice([good, other])
    await start(choice, Profile(runtime="other"))
    assert (good.started, other.started) == ([], ["canary", "docs"])
    with pytest.raises(StartFailed, match="there is no runtime third here"):
        await start(choice, Profile(runtime="third"))


async def test_a_named_one_that_does_not_work_is_refused_with_the_reason() -> None:
    choice = Choice([Recorded("broken", broken="no namespaces"), Recorded("good")])
    with pytest.raises(StartFailed, match="its runtime broken does not work here: no namespaces"):
        await start(choice, Profile(runtime="broken"))


async def test_a_wall_that_is_needed_and_not_enforced_is_a_refusal_that_says_how_to_accept_it() -> None:
    choice = Choice([Recorded("weak", weak=frozenset({Wall.EGRESS, Wall.CPU}))])
    profile = Profile(network=("api.example.com",), requires=frozenset({Wall.CPU}))
    with pytest.raises(StartFailed) as refused:
        await start(choice, profile)
    assert refused.value.message == (
        "weak cannot enforce what it needs: cpu is partial (only a little); egress is partial (only a little)"
    )
    assert "accept: [cpu, egress]" in refused.value.hint
    await start(choice, Profile(network=("api.example.com",), accept=frozenset({Wall.EGRESS})))


async def test_walls_are_tried_once_for_all_servers() -> None:
    sandbox = Recorded("good")
    choice = Choice([sandbox])
    for _ in range(3):
        await start(choice, Profile(requires=frozenset({Wall.MEMORY})))
    assert sandbox.probes == 1


async def test_a_server_without_walls_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    choice = Choice([Recorded("bubblewrap", broken="bwrap is not installed"), Recorded("process")])
    with caplog.at_level(logging.WARNING):
        for name in ("docs", "docs", "time"):
            await start(choice, name=name)
    assert [record.getMessage().partition(" missing: ")[0] for record in caplog.records] == [
        f"server {name!r} runs without walls (bubblewrap: bwrap is not installed);" for name in ("docs", "time")
    ]


async def test_where_nothing_works_it_is_said() -> None:
    with pytest.raises(StartFailed, match="nothing that servers run in works here"):
        await start(Choice([Recorded("broken", broken="no")]))
