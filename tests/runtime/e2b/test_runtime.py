"""The vendor's own SDK, unchanged, against a double of its service."""

import asyncio
import json
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from secrets import token_hex

import pytest
from aiohttp import web

from tests.parts.where import Parts
from tests.runtime import contract
from tests.runtime.contract import INITIALIZE, SHELL, Told, started
from tests.runtime.e2b.double import KEY, E2bDouble
from toolgate.errors import NoRoom, StartFailed
from toolgate.model.profile import Mount, Profile, Wall
from toolgate.runtime.base import Launch
from toolgate.runtime.choose import Choice
from toolgate.runtime.e2b import hosted
from toolgate.runtime.e2b.access import Access
from toolgate.runtime.e2b.lease import Term
from toolgate.runtime.e2b.runtime import E2b
from toolgate.runtime.protections import Grade, Sandbox

Make = Callable[..., E2b]
ENVIRONMENT = {"PATH": os.environ["PATH"]}


@pytest.fixture
async def double() -> AsyncIterator[E2bDouble]:
    async with E2bDouble() as double:
        yield double


@pytest.fixture
async def make(double: E2bDouble, tmp_path: Path) -> AsyncIterator[Make]:
    made: list[E2b] = []

    def one(*, key: str = KEY, answer: float = 10.0, term: Term = Term(), url: str = "") -> E2b:  # noqa: B008
        where = url or double.url
        access = Access(key, where, where, "1.1", answer)
        made.append(E2b(tmp_path / "e2b", access, term))
        return made[-1]

    yield one
    for runtime in made:
        await runtime.close()


@pytest.fixture
def runtime(make: Make) -> E2b:
    return make()


class TestContract(contract.Life):
    """What every runtime keeps."""

    @pytest.fixture(autouse=True)
    def _with(self, double: E2bDouble) -> None:
        self.double = double

    async def test_nothing_is_left_of_many(self, runtime: Sandbox) -> None:
        """The SDK keeps connections for the next start, of which both ends are here."""
        name, before = token_hex(), descriptors()

        async def once(at: int) -> None:
            script = ("exit 1", "kill -9 $$", "cat", "sleep 60 & sleep 60")[at % 4]
            async with started(runtime, SHELL, "-c", f"echo up; {script}", name) as (_, told):
                assert await told.next() == b"up"

        for _ in range(6):
            await asyncio.gather(*(once(at) for at in range(4)))
        await contract.gone(name)
        await self.double.until(lambda: not self.double.sandboxes)
        await runtime.close()
        assert descriptors() == before
        assert not [task for task in asyncio.all_tasks() if task.get_name().endswith("in E2B")]


async def test_a_real_server_answers_through_it(runtime: E2b) -> None:
    command = Parts.installed().node("server-everything")
    async with started(runtime, *command, "stdio", environment=ENVIRONMENT) as (running, told):
        running.write(INITIALIZE)
        answer = json.loads(await told.next())
        assert answer["result"]["serverInfo"]
        running.write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')
        running.write(
            b'{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hi"}}}'
        )
        while (answer := json.loads(await told.next())).get("id") != 2:
            continue
        assert "hi" in answer["result"]["content"][0]["text"]


async def test_a_thousand_lines_keep_their_order(runtime: E2b) -> None:
    async with started(runtime, "cat") as (running, told):
        for number in range(1000):
            await running.ready()
            running.write(b"%d " % number + b"x" * (number % 97))
        assert [int((await told.next()).split()[0]) for _ in range(1000)] == [*range(1000)]


async def test_a_line_larger_than_one_request_comes_whole(runtime: E2b) -> None:
    async with started(runtime, "cat") as (running, told):
        line = b"y" * 1_000_000
        running.write(line)
        assert await told.next() == line


async def test_whoever_writes_waits_for_a_server_that_does_not_read(runtime: E2b) -> None:
    async with started(runtime, SHELL, "-c", "echo up; read -r _; exec cat") as (running, told):
        await told.next()
        posted = 0
        while running.post(b"z" * 200_000):
            posted += 1
        assert 5 <= posted <= 7  # about a mebibyte
        assert not running.reads
        waiting = asyncio.ensure_future(running.ready())
        running.write(b"")
        await asyncio.wait_for(waiting, 10)
        for _ in range(posted - 1):
            await told.next()


async def test_a_server_that_never_reads_is_ended(runtime: E2b, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosted, "_UNREAD", 0.1)
    monkeypatch.setattr(hosted, "_HALF_CLOSED", 0.1)
    async with started(runtime, SHELL, "-c", "echo up; exec sleep 60") as (running, told):
        await told.next()
        running.write(b"z" * 300_000)
        assert await told.ending() == "did not read its input for 0.1 s"


async def test_a_start_that_nobody_waits_for_leaves_nothing(runtime: E2b, double: E2bDouble) -> None:
    double.answers.clear()
    start = asyncio.create_task(runtime("tested", Launch("cat"), Told(), limit=2**20, redact=str))
    await double.until(lambda: double.asked == 1)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    double.answers.set()
    await double.until(lambda: len(double.seen) == 1 and not double.sandboxes)


class Said(Told):
    """Keeps what goes into the log, too."""

    def __init__(self) -> None:
        super().__init__()
        self.log: asyncio.Queue[str] = asyncio.Queue()

    def said(self, text: str) -> None:
        self.log.put_nowait(text)


async def test_what_it_complains_of_goes_to_the_log_redacted(runtime: E2b) -> None:
    said = Said()
    launch = Launch(SHELL, ("-c", 'echo "key $KEY" >&2; cat'), {"KEY": "s3cret"})
    running = await runtime("tested", launch, said, limit=2**20, redact=lambda text: text.replace("s3cret", "***"))
    assert await asyncio.wait_for(said.log.get(), 10) == "key ***"
    assert running.last_words() == "key ***"
    await running.stop(0)


async def test_a_stop_ends_the_sandbox(runtime: E2b, double: E2bDouble) -> None:
    async with started(runtime, "cat"):
        assert len(double.sandboxes) == 1
    await double.until(lambda: not double.sandboxes)


async def test_an_end_ends_the_sandbox(runtime: E2b, double: E2bDouble) -> None:
    async with started(runtime, "true") as (_, told):
        assert await told.ending() == "exited with code 0"
        await double.until(lambda: not double.sandboxes)


async def test_an_input_that_is_closed_ends_a_server_that_waits_for_that(runtime: E2b) -> None:
    async with started(runtime, "cat") as (running, told):
        await running.stop(5)
        assert await told.ending() == "exited with code 0"


async def test_a_sandbox_that_is_lost_is_told_at_once(runtime: E2b, double: E2bDouble) -> None:
    async with started(runtime, "cat") as (running, told):
        running.write(b"up")
        await told.next()
        await double.drop(double.seen[0])
        assert await told.ending() == "its sandbox is gone: it was killed, or its time was over"
        running.write(b"nobody")
        assert running.reads


async def test_its_time_is_extended_while_it_is_used_and_not_after(make: Make, double: E2bDouble) -> None:
    runtime = make(term=Term(length=60, look=0.05))
    async with started(runtime, "cat") as (running, told):
        held = double.seen[0]
        running.write(b"one")
        await told.next()
        await double.until(lambda: len(held.timeouts) >= 2)
        assert set(held.timeouts) == {60}
        # Nothing was said since the last look, so that the next ones ask for nothing.
        seen = len(held.timeouts)
        async with started(runtime, "cat") as (other, heard):
            for _ in range(3):
                other.write(b"more")
                await heard.next()
                count = len(double.seen[1].timeouts)
                await double.until(lambda count=count: len(double.seen[1].timeouts) > count)  # type: ignore[misc]
        assert len(held.timeouts) <= seen + 1
        assert "autoPause" not in held.asked or held.asked["autoPause"] is False


async def test_what_is_left_of_an_earlier_life_is_ended_and_nothing_else(
    make: Make, double: E2bDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    double.page = 1
    async with started(make(), "cat"), started(make(), "cat"):
        alive, orphan = double.seen
        # What a killed gateway held is let go of by the system.
        orphan.asked["metadata"]["toolgate.holder"] = "0" * 32
        foreign = replace(orphan, id="foreign", asked={**orphan.asked, "metadata": {"toolgate.gateway": "other"}})
        double.sandboxes["foreign"] = foreign
        assert await make().sweep() == 1
        assert set(double.sandboxes) == {alive.id, "foreign"}
        assert await make().sweep() == 0


async def test_what_cannot_be_looked_for_is_told(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    async with started(make(), "cat"):
        pass
    choice = Choice([], swept=[make(key="e2b_wrong")])
    choice.sweep()
    await asyncio.gather(*[task for task in asyncio.all_tasks() if task.get_name() == "sweep e2b"])
    assert "e2b: what was left could not be ended: E2B does not accept the key" in caplog.text


async def test_where_nothing_ever_ran_there_nothing_is_asked(make: Make) -> None:
    assert await make(url="http://127.0.0.1:9").sweep() == 0


async def test_tags_name_it_and_hold_nothing_of_what_it_was_given(runtime: E2b, double: E2bDouble) -> None:
    environment = {**ENVIRONMENT, "KEY": "s3cret"}
    async with started(runtime, SHELL, "-c", "cat", "word", environment=environment, owner="team a"):
        (held,) = double.seen
        assert held.metadata["toolgate.server"] == "tested"
        assert held.metadata["toolgate.owner"] == "team a"
        assert held.metadata["toolgate.gateway"]
        assert "s3cret" not in json.dumps(held.asked)
        command = next(iter(held.commands.values()))
        assert "word" not in json.dumps(command.config["args"])  # which the service writes down
        assert "PATH" not in command.config["envs"]  # of this machine
        assert command.config["envs"]["KEY"] == "s3cret"


class TestKeeping:
    """A persistent one is paused, and found again."""

    PROFILE = Profile(persistent=True)
    SCRIPT = 'cat "$HOME/kept" 2>/dev/null || echo new; echo old >"$HOME/kept"; cat'

    async def first_line(self, runtime: E2b, owner: str = "one") -> bytes:
        async with started(runtime, SHELL, "-c", self.SCRIPT, profile=self.PROFILE, owner=owner) as (_, told):
            return await told.next()

    @pytest.mark.parametrize("has_reboot", [True, False])
    async def test_its_home_survives_for_its_owner_alone(self, make: Make, double: E2bDouble, has_reboot: bool) -> None:
        double.has_reboot = has_reboot
        runtime = make()
        assert await self.first_line(runtime) == b"new"
        assert await self.first_line(runtime) == b"old"
        assert await self.first_line(runtime, "two") == b"new"
        await runtime.close()
        assert [held.state for held in double.sandboxes.values()] == ["paused", "paused"]
        assert double.seen[0].pauses == [not has_reboot] * 2
        assert double.seen[0].asked["autoPause"] is True

    async def test_it_is_adopted_after_a_restart_of_the_gateway(self, make: Make, double: E2bDouble) -> None:
        runtime = make()
        assert await self.first_line(runtime) == b"new"
        await runtime.close()
        (held,) = double.seen
        held.state = "running"  # as one of a gateway that was killed
        after = make()
        assert await after.sweep() == 1
        assert held.state == "paused"
        assert await self.first_line(after) == b"old"
        assert double.seen == [held]

    async def test_it_is_adopted_while_it_still_runs(self, make: Make, double: E2bDouble) -> None:
        runtime = make()
        assert await self.first_line(runtime) == b"new"
        await runtime.close()
        double.seen[0].state = "running"
        assert await self.first_line(make()) == b"old"

    async def test_two_do_not_share_it_at_once(self, make: Make) -> None:
        async with started(make(), "cat", profile=self.PROFILE):
            with pytest.raises(StartFailed, match="in use"):
                await self.first_line(make(), "")

    async def test_its_network_is_that_of_today(self, make: Make, double: E2bDouble) -> None:
        runtime = make()
        for network in ((), ("api.example.com",)):
            profile = Profile(persistent=True, network=network)
            async with started(runtime, "cat", profile=profile):
                pass
        assert double.seen[0].network["allowOut"] == ["api.example.com"]
        assert double.seen[0].network["denyOut"] == ["0.0.0.0/0"]


class TestNetwork:
    @pytest.mark.parametrize(
        ("network", "allowed", "denied"),
        [
            ((), None, ["0.0.0.0/0"]),
            (("api.example.com", "*.example.org"), ["api.example.com", "*.example.org"], ["0.0.0.0/0"]),
            (("8.8.4.4:443",), ["8.8.4.4"], ["0.0.0.0/0"]),
            (("*",), None, None),
        ],
    )
    async def test_it_is_what_the_profile_says_and_nothing_else(
        self,
        runtime: E2b,
        double: E2bDouble,
        network: tuple[str, ...],
        allowed: list[str] | None,
        denied: list[str] | None,
    ) -> None:
        async with started(runtime, "cat", profile=Profile(network=network)):
            asked = double.seen[0].asked["network"]
            assert asked.get("allowOut") == allowed
            assert asked.get("denyOut") == denied
            assert asked["allowPublicTraffic"] is False

    @pytest.mark.parametrize("entry", ["10.0.0.5:5432", "private:db.corp", "127.0.0.1:5432", "api.example.com:8443"])
    async def test_what_cannot_be_said_there_is_refused(self, runtime: E2b, double: E2bDouble, entry: str) -> None:
        with pytest.raises(StartFailed, match=entry):
            async with started(runtime, "cat", profile=Profile(network=(entry,))):
                pass
        assert double.creations == 0


class TestRefusals:
    """Each in words, and nothing is left behind."""

    async def refused(self, runtime: E2b, *command: str, **given: object) -> StartFailed:
        with pytest.raises(StartFailed) as caught:
            async with started(runtime, *(command or ("cat",)), **given):
                pass
        assert KEY not in f"{caught.value.message}{caught.value.hint}"
        return caught.value

    async def test_no_key(self, make: Make) -> None:
        error = await self.refused(make(key=""))
        assert error.message == "E2B_API_KEY is not set"

    async def test_a_wrong_key(self, make: Make) -> None:
        error = await self.refused(make(key="e2b_wrong"))
        assert error.message == "E2B does not accept the key"
        assert "e2b_wrong" not in error.hint

    async def test_a_template_that_is_not_there(self, runtime: E2b) -> None:
        error = await self.refused(runtime, profile=Profile(template="mine"))
        assert "E2B has no template mine" in error.message

    async def test_a_quota_that_is_used_up(self, runtime: E2b, double: E2bDouble) -> None:
        double.refusals = [limit("0") for _ in range(4)]
        error = await self.refused(runtime)
        assert isinstance(error, NoRoom)
        assert "as many as your plan has" in error.message

    async def test_a_quota_that_is_free_again_soon_is_waited_for(self, runtime: E2b, double: E2bDouble) -> None:
        double.refusals = [limit("0"), limit("0")]
        async with started(runtime, "cat"):
            assert double.creations == 3

    async def test_a_program_that_the_template_has_not(self, runtime: E2b, double: E2bDouble) -> None:
        error = await self.refused(runtime, "no-such-program")
        assert error.message == "no-such-program is not on the PATH of template base"
        await double.until(lambda: not double.sandboxes)

    async def test_a_folder_that_the_template_has_not(self, runtime: E2b) -> None:
        error = await self.refused(runtime, cwd="/there/is/none")
        assert "working directory /there/is/none does not exist in template base" in error.message

    async def test_files_of_this_machine(self, runtime: E2b, tmp_path: Path) -> None:
        error = await self.refused(runtime, profile=Profile(mounts=(Mount(str(tmp_path)),)))
        assert "no files of this machine" in error.message

    async def test_a_service_that_is_not_there(self, make: Make) -> None:
        error = await self.refused(make(url="http://127.0.0.1:9"))
        assert error.message == "E2B cannot be reached"

    async def test_a_service_that_does_not_answer_and_what_it_made_all_the_same(
        self, make: Make, double: E2bDouble
    ) -> None:
        double.answers.clear()
        runtime = make(answer=0.3)
        error = await self.refused(runtime)
        assert error.message == "E2B did not answer in time"
        double.answers.set()
        await double.until(lambda: len(double.seen) == 1 and not double.sandboxes)

    async def test_an_sdk_that_is_not_installed(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delitem(sys.modules, "toolgate.runtime.e2b.cloud", raising=False)
        monkeypatch.setitem(sys.modules, "e2b", None)
        error = await self.refused(make())
        assert error.hint == "pip install 'toolgate[e2b]'"


async def test_nothing_of_the_sdk_is_loaded_before_it_is_used() -> None:
    program = (
        "import sys, toolgate.gateway; sys.exit(any(name.split('.')[0] in ('e2b', 'httpx') for name in sys.modules))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    assert await process.wait() == 0


async def test_the_key_is_in_no_log(runtime: E2b, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with started(runtime, "cat", environment={**ENVIRONMENT, "TOKEN": "s3cret"}):
        pass
    assert KEY not in caplog.text
    assert "s3cret" not in caplog.text


async def test_a_canary_finds_that_nothing_is_kept_apart_by_what_keeps_nothing_apart(runtime: E2b) -> None:
    found = await runtime.probe()
    assert set(found) == set(Wall)
    assert {finding.grade for finding in found.values()} == {Grade.ABSENT}
    assert found[Wall.NETWORK].reason == "what listens on this machine can be reached"


async def test_a_canary_that_cannot_be_tried_says_why(make: Make) -> None:
    found = await make(key="").probe()
    assert {finding.grade for finding in found.values()} == {Grade.ABSENT}
    assert "E2B_API_KEY is not set" in found[Wall.NETWORK].reason


def limit(seconds: str) -> web.Response:
    message = {"code": 429, "message": "as many as your plan has"}
    return web.json_response(message, status=429, headers={"Retry-After": seconds})


def descriptors() -> int:
    """Open ones that are no sockets."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # that of the folder itself
            count += not os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
    return count
