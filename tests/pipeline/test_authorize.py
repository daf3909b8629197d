import pytest

from tests.pipeline.calls import End, a_call, a_tool, key
from toolgate.catalog.permitted import Permissions
from toolgate.config.model import Document
from toolgate.errors import Forbidden
from toolgate.model.principal import LOCAL
from toolgate.pipeline.stages.authorize import Authorize


def document(without_team: str = "everything", **teams: list[str]) -> Document:
    rules = {team: {"allow": allow} for team, allow in teams.items()}
    return Document.model_validate({"version": 1, "access": {"teams": rules, "without_team": without_team}})


@pytest.fixture
def authorize() -> Authorize:
    return Authorize(Permissions(), document(support=["docs__search_*"]))


async def test_a_team_gets_what_its_rule_names_and_is_refused_the_rest(authorize: Authorize) -> None:
    end = End()
    await authorize(a_call(a_tool("search_all"), principal=key("laptop", "support")), end)
    with pytest.raises(Forbidden) as raised:
        await authorize(a_call(a_tool("delete"), principal=key("laptop", "support")), end)
    assert len(end.calls) == 1
    assert raised.value.http == 403
    for named in ("'laptop'", "(support)", "'docs__delete'", "access.teams.support.allow"):
        assert named in raised.value.message
    assert raised.value.details == {"server": "docs", "teams": ["support"]}


async def test_callers_of_no_team_call_everything_unless_the_configuration_says_otherwise(
    authorize: Authorize,
) -> None:
    end = End()
    for principal in (LOCAL, key("laptop")):
        await authorize(a_call(a_tool("delete"), principal=principal), end)
    assert len(end.calls) == 2
    authorize.configure(document("nothing"))
    await authorize(a_call(a_tool("delete"), principal=LOCAL), end)
    with pytest.raises(Forbidden, match=r"access\.without_team"):
        await authorize(a_call(a_tool("delete"), principal=key("laptop")), end)


async def test_new_rules_hold_at_once_for_routes_that_were_decided_before(authorize: Authorize) -> None:
    end = End()
    call = a_call(a_tool("delete"), principal=key("laptop", "support"))
    with pytest.raises(Forbidden):
        await authorize(call, end)
    assert authorize.configure(document(support=["docs"]))
    assert not authorize.configure(document(support=["docs"]))
    await authorize(call, end)
    authorize.configure(document())
    with pytest.raises(Forbidden, match="no rule for team support"):
        await authorize(call, end)
