"""Which handler answers."""

from typing import Any

import pytest

from toolgate.control.routes import MethodNotAllowedError, Params, Router
from toolgate.errors import InvalidRequest, NotFound
from toolgate.model.principal import Principal


async def first(principal: Principal, params: Params, body: bytes) -> Any:
    raise NotImplementedError


async def second(principal: Principal, params: Params, body: bytes) -> Any:
    raise NotImplementedError


ROUTER = Router(
    [
        ("GET", "cards", first),
        ("GET", "cards/{name}", first),
        ("GET", "cards/mine", second),
        ("POST", "cards/{name}/try/{step}", second),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "handler", "named"),
    [
        ("GET", "/api/v1/cards", first, {}),
        ("GET", "/api/v1/cards/git", first, {"name": "git"}),
        ("GET", "/api/v1/cards/mine", second, {}),
        ("POST", "/api/v1/cards/git/try/2", second, {"name": "git", "step": "2"}),
    ],
)
def test_a_path_is_matched_by_its_pattern(method: str, path: str, handler: object, named: dict[str, str]) -> None:
    assert ROUTER.find(method, path) == (handler, named)


@pytest.mark.parametrize("path", ["/api/v1/cards/", "/api/v1/card", "/api/v1/cards/a/b", "/api/v2/cards", "cards"])
def test_what_matches_nothing_is_not_there(path: str) -> None:
    with pytest.raises(NotFound):
        ROUTER.find("GET", path)


def test_a_wrong_method_is_told_the_right_one() -> None:
    with pytest.raises(MethodNotAllowedError, match="answers GET only"):
        ROUTER.find("POST", "/api/v1/cards")


def test_the_path_counts_before_the_query() -> None:
    params = Params({"name": "git"}, b"name=other&last=5&last=6&empty=", {"idempotency-key": "k"})
    assert params == {"name": "git", "last": "6", "empty": ""}
    assert params.query.startswith(b"name=other")
    assert params.headers["idempotency-key"] == "k"


def test_a_query_without_end_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        Params({}, b"&".join(b"a%d=1" % number for number in range(1000)), {})
