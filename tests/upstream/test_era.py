from pathlib import Path

import pytest

from tests.upstream.conftest import House, clean, stub
from toolgate.catalog.remembered import Remembered
from toolgate.errors import StartFailed
from toolgate.model.tool import Catalogue
from toolgate.pipeline.call import Reply
from toolgate.protocol.eras import Era
from toolgate.upstream import era
from toolgate.upstream.base import State
from toolgate.upstream.era import initialized, judge
from toolgate.upstream.fingerprint import fingerprint

ASKED = "2026-07-28"


def error(body: str) -> Reply:
    return Reply(body.encode(), is_error=True)


def test_any_error_but_a_modern_one_means_a_legacy_server() -> None:
    for body in ('{"code":-32601,"message":"?"}', '{"code":-32602,"message":"?"}', '{"code":0}', "[]", '{"code":"x"}'):
        verdict = judge(error(body), ASKED)
        assert verdict.hello is None
        assert not verdict.again


def test_a_modern_error_never_falls_back_to_initialize() -> None:
    for code in (-32020, -32021, -32022):
        with pytest.raises(StartFailed, match="speaks a modern revision"):
            judge(error(f'{{"code":{code},"message":"no"}}'), ASKED)
    with pytest.raises(StartFailed, match="2031-01-01"):
        judge(error('{"code":-32022,"message":"no","data":{"supported":["2031-01-01"]}}'), ASKED)


def test_a_server_that_lists_a_revision_that_we_know_is_asked_in_it() -> None:
    again = judge(error(f'{{"code":1,"message":"no","data":{{"supported":["{ASKED}"]}}}}'), "2099-01-01")
    assert again.again == ASKED
    legacy = judge(error('{"code":-32022,"message":"no","data":{"supported":["2025-11-25"]}}'), ASKED)
    assert legacy == era.Verdict()


def test_a_result_that_is_no_discovery_means_a_legacy_server() -> None:
    assert judge(Reply(b'{"tools":[]}'), ASKED) == era.Verdict()


def test_a_discovery_tells_of_the_server() -> None:
    body = (
        b'{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"instructions":"Be kind.",'
        b'"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"x","version":"1"}}}'
    )
    hello = judge(Reply(body), ASKED).hello
    assert hello is not None
    assert hello.era is Era.MODERN
    assert hello.head == Catalogue({}, {"tools": {}}, {"name": "x", "version": "1"}, "Be kind.")


def test_an_unknown_legacy_revision_is_refused_by_name() -> None:
    with pytest.raises(StartFailed, match="2024-10-07"):
        initialized(Reply(b'{"protocolVersion":"2024-10-07","capabilities":{}}'))
    with pytest.raises(StartFailed, match="names no protocolVersion"):
        initialized(Reply(b"[]"))


async def test_a_server_that_leaves_on_the_probe_is_started_once_more(house: House, tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    await house.serve(stub(mode="shy", env={"STARTS": str(starts)}))
    assert house.status("stub").state is State.READY
    assert starts.read_text() == "xx"


async def test_a_server_that_is_silent_gets_initialize_and_is_not_killed_for_it(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(era, "_SILENCE", 0.2)
    starts = tmp_path / "starts"
    await house.serve(stub(mode="silent", env={"STARTS": str(starts)}))
    assert house.status("stub").era is Era.LEGACY
    assert starts.read_text() == "x"


@pytest.mark.parametrize(("mode", "expected"), [("modern", Era.MODERN), ("legacy", Era.LEGACY)])
async def test_a_server_that_is_slow_to_start_is_known_by_whichever_answer_comes(
    house: House, monkeypatch: pytest.MonkeyPatch, mode: str, expected: Era
) -> None:
    monkeypatch.setattr(era, "_SILENCE", 0.05)
    await house.serve(stub(mode=mode, env={"PAUSE": "0.5"}))
    assert house.status("stub").era is expected


async def test_a_dual_era_server_of_an_unknown_modern_revision_is_spoken_to_in_its_legacy_one(house: House) -> None:
    await house.serve(stub(mode="dual"))
    assert house.status("stub").version == "2025-11-25"


async def test_a_server_of_only_unknown_revisions_fails_with_their_names(house: House) -> None:
    await house.serve(stub(mode="future"))
    assert "2031-01-01" in house.status("stub").reason


async def test_a_remembered_era_is_where_it_starts_and_is_probed_again_when_it_is_wrong() -> None:
    server = stub(mode="modern")
    async with clean(House()) as house:
        house.notes.known[fingerprint(server)] = Remembered(Era.LEGACY, Catalogue({}))
        await house.serve(server)
        assert house.status("stub").era is Era.MODERN
        assert house.notes.known[fingerprint(server)].era is Era.MODERN


async def test_a_start_without_an_answer_says_so_in_time() -> None:
    async with clean(House(start_timeout=0.5)) as house:
        await house.serve(stub(mode="deaf"))
        status = house.status("stub")
        assert status.state is State.FAILING
        assert status.reason.startswith("did not answer within 0.5 s of its start: stub in mode deaf")


async def test_a_child_that_exits_at_once_says_what_it_said(house: House) -> None:
    await house.serve(stub(mode="exit"))
    assert house.status("stub").reason == "exited with code 2: cannot go on: the licence is missing"


def test_a_number_that_no_double_holds_does_not_hide_the_rest() -> None:
    result = b'{"protocolVersion":"2025-11-25","capabilities":{"experimental":{"x":1e400}},"serverInfo":{"name":"far"}}'
    hello = initialized(Reply(result))
    assert hello.head.server_info == {"name": "far"}
    assert hello.head.capabilities["experimental"]["x"] > 1e300
