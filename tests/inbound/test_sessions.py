"""The ids of sessions: sealed, and good for one caller at one endpoint, in any process that has the key."""

import asyncio
import string

import pytest

from tests.inbound.conftest import Front
from tests.inbound.test_legacy import request
from toolgate.inbound.sessions import Session, Sessions
from toolgate.model.principal import LOCAL, Principal
from toolgate.protocol.envelope import parse
from toolgate.protocol.sealed import Sealer

KEY = b"k" * 32
OTHER = Principal("key:other", "another")
CAPABILITIES = b'{"elicitation":{"form":{}},"sampling":{}}'


def opened(sessions: Sessions, capabilities: bytes = CAPABILITIES) -> Session:
    return sessions.open("/mcp", LOCAL, "2025-06-18", capabilities)


async def test_another_process_with_the_key_goes_on_with_a_session() -> None:
    session = opened(Sessions(KEY))
    found = Sessions(KEY).find(session.token, "/mcp", LOCAL)
    assert found is not None
    assert found is not session
    assert (found.id, found.version, found.capabilities) == (session.id, "2025-06-18", CAPABILITIES)
    assert found.principal == LOCAL


async def test_a_session_is_found_as_the_same_object_again() -> None:
    sessions = Sessions(KEY)
    session = opened(sessions)
    assert sessions.find(session.token, "/mcp", LOCAL) is session
    revived = Sessions(KEY)
    assert revived.find(session.token, "/mcp", LOCAL) is revived.find(session.token, "/mcp", LOCAL)
    assert len(revived) == 1


@pytest.mark.parametrize(("endpoint", "principal"), [("/servers/one/mcp", LOCAL), ("/mcp", OTHER)])
async def test_a_session_of_another_caller_or_endpoint_is_none(endpoint: str, principal: Principal) -> None:
    here, there = Sessions(KEY), Sessions(KEY)
    token = opened(here).token
    assert here.find(token, endpoint, principal) is None
    assert there.find(token, endpoint, principal) is None
    assert len(there) == 0, "nothing is remembered of what was refused"


async def test_an_id_with_one_character_changed_is_none() -> None:
    token = opened(Sessions(KEY)).token
    sessions = Sessions(KEY)
    for at, character in enumerate(token):
        other = "A" if character != "A" else "B"
        assert sessions.find(token[:at] + other + token[at + 1 :], "/mcp", LOCAL) is None
    for changed in (token[:-1], token + "A", token + "=", token + "\n", token[1:], token.lower(), "", "\u00e9"):
        assert sessions.find(changed, "/mcp", LOCAL) is None
    assert len(sessions) == 0


async def test_an_id_of_another_key_or_for_another_purpose_is_none() -> None:
    content = Sealer(KEY, "session").open(opened(Sessions(KEY)).token)
    assert content is not None
    for sealer in (Sealer(KEY, "requestState"), Sealer(b"x" * 32, "session")):
        assert Sessions(KEY).find(sealer.seal(content), "/mcp", LOCAL) is None


async def test_a_session_that_its_client_ended_stays_ended() -> None:
    sessions = Sessions(KEY)
    session = opened(sessions)
    sessions.end(session)
    assert sessions.find(session.token, "/mcp", LOCAL) is None
    assert len(sessions) == 0


async def test_a_session_that_made_room_is_found_again() -> None:
    sessions = Sessions(KEY)
    session = opened(sessions)
    sessions.close()
    found = sessions.find(session.token, "/mcp", LOCAL)
    assert found is not None
    assert found.id == session.id


async def test_a_session_ends_after_a_week(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr("toolgate.inbound.sessions.time", lambda: now)
    here, there = Sessions(KEY), Sessions(KEY)
    token = opened(here).token
    now += 7 * 24 * 3600 - 1
    assert here.find(token, "/mcp", LOCAL)
    assert there.find(token, "/mcp", LOCAL)
    now += 2
    assert here.find(token, "/mcp", LOCAL) is None
    assert there.find(token, "/mcp", LOCAL) is None


async def test_a_session_id_is_a_short_header() -> None:
    token = opened(Sessions(KEY)).token
    assert set(token) <= set(string.ascii_letters + string.digits + "-_")
    assert len(token) < 1_000


async def test_capabilities_that_are_too_long_for_a_header_are_known_in_one_process_alone() -> None:
    capabilities = b'{"experimental":{"x":"' + b"y" * 2_000 + b'"}}'
    sessions = Sessions(KEY)
    session = opened(sessions, capabilities)
    assert len(session.token) < 1_000
    found = sessions.find(session.token, "/mcp", LOCAL)
    assert found is not None
    assert found.capabilities == capabilities
    assert Sessions(KEY).find(session.token, "/mcp", LOCAL) is None, "less than the client declared would be wrong"


async def test_a_client_does_not_notice_that_its_session_was_forgotten(front: Front) -> None:
    session = await front.initialize("2025-03-26")
    front.sessions.close()
    async with front.post(request("tools/call", {"name": "one__look"}), session) as answer:
        assert answer.status == 200
    assert front.calls[0].version == "2025-03-26"


async def test_an_answer_to_what_an_earlier_process_asked_is_none_to_a_later_question() -> None:
    asked: list[bytes] = []

    def send(message: bytes) -> bool:
        asked.append(message)
        return True

    sessions = [Sessions(KEY), Sessions(KEY)]
    token = opened(sessions[0]).token
    found = [each.find(token, "/mcp", LOCAL) for each in sessions]
    asking = [asyncio.create_task(session.questions.ask(send, "roots/list", None)) for session in found if session]
    await asyncio.sleep(0)
    first, second = (parse(message).key for message in asked)
    assert first != second
    for task in asking:
        task.cancel()
    await asyncio.wait(asking)


async def test_an_id_that_cannot_be_opened_is_not_found(front: Front) -> None:
    session = await front.initialize()
    token = session["Mcp-Session-Id"]
    for changed in (token[:-1] + ("A" if token[-1] != "A" else "B"), token + "!", Sealer(KEY, "x").seal(b"{}")):
        async with front.post(request("ping"), {**session, "Mcp-Session-Id": changed}) as answer:
            assert answer.status == 404
