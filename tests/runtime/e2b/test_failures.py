import pytest
from e2b import exceptions

from toolgate.errors import NoRoom, StartFailed
from toolgate.runtime.e2b.failures import failed, lost


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (exceptions.ServiceBusyException("no capacity"), "E2B has no room now: no capacity"),
        (exceptions.TemplateException("old"), "its template is too old for the E2B SDK"),
        (exceptions.SandboxNotRunningException("gone"), "its sandbox is gone"),
        (exceptions.SandboxNotFoundException("gone"), "its sandbox is gone"),
        (exceptions.SandboxUnreachableException("network"), "E2B did not answer in time"),
        (exceptions.SandboxException("500: it broke\nat length"), "E2B: 500: it broke"),
        (ConnectionResetError(), "E2B cannot be reached"),
        (TimeoutError(), "E2B did not answer in time"),
        (Exception("Body of the request is None"), "E2B: Body of the request is None"),
        (StartFailed("as it was"), "as it was"),
    ],
)
def test_each_is_said_in_words(error: Exception, message: str) -> None:
    assert failed(error).message == message


def test_no_room_is_told_apart() -> None:
    error = exceptions.RateLimitException("20 of 20")  # type: ignore[no-untyped-call]
    assert isinstance(failed(error), NoRoom)


def test_a_template_is_named_only_where_it_is_the_reason() -> None:
    refused = exceptions.SandboxException("403: team does not have access to the template", status_code=403)
    assert "no template mine" in failed(refused, "mine").message
    other = exceptions.SandboxException("400: bad metadata", status_code=400)
    assert "no template" not in failed(other, "mine").message


def test_a_connection_that_broke_is_no_sandbox_that_ended() -> None:
    assert lost(exceptions.SandboxUnreachableException("x")) == (
        "the connection to its sandbox was lost (SandboxUnreachableException)"
    )
