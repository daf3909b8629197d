"""Calls of an API's operations, and all that can go wrong with them."""

import asyncio
import base64
import email
import email.policy
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.upstream.conftest import House, clean, make_call
from tests.upstream.openapi.api import GNARLY, PETSTORE, Api, in_base64, serving
from toolgate.errors import BrokenReply, DeadlineExceeded, ResponseTooLarge, ServerUnavailable
from toolgate.model.secretref import Template
from toolgate.model.server import OpenApi, Provenance, Server
from toolgate.upstream.base import State

SECRET = "hunter2-secret"


@pytest.fixture
async def pets() -> AsyncIterator[Api]:
    async with serving(Api(PETSTORE.read_bytes())) as api:
        yield api


@pytest.fixture
async def gnarly() -> AsyncIterator[Api]:
    async with serving(Api(GNARLY.read_bytes())) as api:
        yield api


def texts(values: Mapping[str, str]) -> dict[str, Template]:
    return {name: Template(text) for name, text in values.items()}


def defined(description: str, **more: Any) -> Server:
    more = {name: texts(value) if isinstance(value, dict) else value for name, value in more.items()}
    return Server("api", OpenApi(Template(description), **more), Provenance("test"))


def petstore(api: Api, **more: Any) -> Server:
    return defined(f"{api.url}/openapi", **{"auth": {"key": "${TOKEN}"}, **more})


def said(result: dict[str, Any]) -> str:
    assert result["isError"] is True
    text: str = result["content"][0]["text"]
    return text


async def test_operations_are_called_with_what_signs_in(house: House, pets: Api) -> None:
    await house.serve(petstore(pets))
    assert house.audience.tools("api")[:2] == ["listPets", "addPet"]
    made = await house.call("api", "addPet", {"body": {"name": "Tom", "tag": "cat", "weight": 1.50}})
    assert made["structuredContent"] == {"id": 2, "name": "Tom", "tag": "cat", "weight": 1.5}
    assert json.loads(made["content"][0]["text"]) == made["structuredContent"]
    shown = await house.call("api", "showPet", {"petId": "2"})
    assert shown["structuredContent"]["name"] == "Tom"
    gone = await house.call("api", "delete_pets_petId", {"petId": "2"})
    assert gone["content"][0]["text"] == "DELETE /pets/{petId} was answered 204, with nothing more to say."
    assert [asked.headers["X-Api-Key"] for asked in pets.asked] == [SECRET] * 3


async def test_a_list_says_how_to_get_its_next_page(house: House, pets: Api) -> None:
    await house.serve(petstore(pets))
    first = await house.call("api", "listPets", {"tags": ["a", "b c"]})
    assert pets.last.target == "/v1/pets?tags=a&tags=b%20c"
    assert first["_meta"]["toolgate/next"] == {"page": 2}
    assert '{"page":2}' in first["content"][1]["text"]
    assert "structuredContent" not in first
    last = await house.call("api", "listPets", {"page": 2})
    assert len(last["content"]) == 1


async def test_an_error_says_what_a_model_needs_and_no_secret(house: House, pets: Api) -> None:
    await house.serve(petstore(pets))
    missing = said(await house.call("api", "showPet", {"petId": "9"}))
    assert missing.startswith("GET /pets/{petId} was answered 404 Not Found.\nNo such pet: there is no pet 9")
    assert '"pet":"9"' in missing
    await house.serve(petstore(pets, auth={"key": "${TOKEN}-stale"}))
    refused = said(await house.call("api", "listPets"))
    assert "401" in refused
    assert "`auth`" in refused
    assert "No key: not ***" in refused
    assert SECRET not in refused


async def test_pictures_and_files_are_content(house: House, pets: Api, gnarly: Api) -> None:
    await house.serve(petstore(pets))
    [image] = (await house.call("api", "showPhoto", {"petId": 1}))["content"]
    assert image == {"type": "image", "mimeType": "image/png", "data": in_base64(b"\x89PNG\r\n")}

    async def pdf(_: web.Request) -> web.Response:
        return web.Response(body=b"%PDF-\xff", content_type="application/pdf")

    gnarly.answers["GET /v2/files"] = pdf
    await house.serve(defined(f"{gnarly.url}/openapi"))
    [file] = (await house.call("api", "download"))["content"]
    resource = {"uri": "toolgate://api/download", "mimeType": "application/pdf", "blob": in_base64(b"%PDF-\xff")}
    assert file == {"type": "resource", "resource": resource}


async def test_every_style_of_parameter_arrives(house: House, gnarly: Api) -> None:
    await house.serve(defined(f"{gnarly.url}/openapi", headers={"X-Tenant": "acme", "Cookie": "own=1"}))
    arguments = {
        "simple": ["a/b", "c"],
        "label": {"x": 1},
        "matrix": "m&m",
        "filter": {"name": "Rex", "age": 3},
        "pipes": [1, 2],
        "spaces": ["a", "b"],
        "sort_by": "name desc",
        "where": {"a": [1, 2.50]},
        "X-Trace": "t 1",
        "session": "s;1",
    }
    await house.call("api", "every_style", arguments)
    path, _, query = gnarly.last.target.partition("?")
    assert path == "/v2/styles/a%2Fb,c/.x=1/x;matrix=m%26m"
    assert query.split("&") == [
        "filter%5Bname%5D=Rex", "filter%5Bage%5D=3", "pipes=1%7C2", "spaces=a%20b", "sort%5Bby%5D=name%20desc",
        "where=%7B%22a%22%3A%5B1%2C2.5%5D%7D",
    ]  # fmt: skip
    headers = gnarly.last.headers
    assert (headers["X-Trace"], headers["X-Tenant"], headers["Cookie"]) == ("t 1", "acme", "own=1; session=s%3B1")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"petId": "../../admin"}, "another path"),
        ({"petId": "%2e%2e"}, "another path"),
        ({"petId": ""}, "is empty"),
        ({"petId": None}, "is missing"),
        ({}, "is missing"),
    ],
)
async def test_no_argument_leads_to_another_path(
    house: House, pets: Api, arguments: dict[str, Any], reason: str
) -> None:
    await house.serve(petstore(pets))
    assert reason in said(await house.call("api", "showPet", arguments))
    assert not pets.asked


async def test_no_argument_makes_a_header_of_its_own(house: House, gnarly: Api) -> None:
    await house.serve(defined(f"{gnarly.url}/openapi"))
    arguments = {"simple": ["a"], "label": {"x": 1}, "matrix": "m", "X-Trace": "t\r\nX-Evil: 1"}
    assert "`X-Trace` has a character" in said(await house.call("api", "every_style", arguments))
    assert not gnarly.asked


async def test_files_are_uploaded_with_their_names(house: House, gnarly: Api) -> None:
    await house.serve(defined(f"{gnarly.url}/openapi"))
    body = {
        "file": in_base64(b"\x00\xffpicture"), "file_filename": 'a"b\r\n.png', "labels": ["x", "y"],
        "about": {"who": "me"}, "more": [in_base64(b"1"), "data:text/plain;base64," + in_base64(b"2")],
    }  # fmt: skip
    await house.call("api", "upload", {"body": body})
    kind = gnarly.last.headers["Content-Type"]
    raw = b"Content-Type: " + kind.encode() + b"\r\n\r\n" + gnarly.last.body
    message = email.message_from_bytes(raw, policy=email.policy.HTTP)
    parts = [
        (part.get_param("name", header="content-disposition"), part.get_filename(), part.get_content_type(),
         part.get_payload(decode=True))
        for part in message.iter_parts()
    ]  # fmt: skip
    assert parts == [
        ("file", "a%22b%0D%0A.png", "image/png", b"\x00\xffpicture"),
        ("labels", None, "text/plain", b"x"),
        ("labels", None, "text/plain", b"y"),
        ("about", None, "application/json", b'{"who":"me"}'),
        ("more", "more", "application/octet-stream", b"1"),
        ("more", "more", "application/octet-stream", b"2"),
    ]
    await house.call("api", "replace", {"body": in_base64(b"\x01\x02")})
    assert (gnarly.last.body, gnarly.last.headers["Content-Type"]) == (b"\x01\x02", "application/octet-stream")
    assert "`body` is not base64" in said(await house.call("api", "replace", {"body": "no!"}))


async def test_forms_are_written_as_their_encoding_says(house: House, gnarly: Api) -> None:
    await house.serve(defined(f"{gnarly.url}/openapi"))
    body = {"a": "x & y", "list": ["1", "2"], "deep": {"k": "v"}, "json": {"k": 1}}
    await house.call("api", "form", {"body": body})
    assert gnarly.last.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert gnarly.last.body == b"a=x%20%26%20y&list=1,2&deep%5Bk%5D=v&json=%7B%22k%22%3A1%7D"


@pytest.mark.parametrize(
    ("auth", "found"),
    [
        ({"basic": "me:${TOKEN}", "inCookie": "c=1"}, {"Authorization": "Basic", "Cookie": "sid=c%3D1"}),
        ({"bearer": "${TOKEN}"}, {"Authorization": f"Bearer {SECRET}"}),
        ({"basic": "me:${TOKEN}"}, {}),
        ({"inQuery": "${TOKEN}"}, {}),
    ],
)
async def test_the_first_way_to_sign_in_that_we_have_all_of_is_taken(
    house: House, gnarly: Api, auth: dict[str, str], found: dict[str, str]
) -> None:
    await house.serve(defined(f"{gnarly.url}/openapi", auth=auth))
    answer = await house.call("api", "secured", {"way": "x"})
    headers = {name: gnarly.last.headers.get(name, "") for name in ("Authorization", "Cookie")}
    assert all(headers[name].startswith(found.get(name, "")) for name in headers)
    assert gnarly.last.target == "/v2/secured/x" + (f"?api%20key={SECRET}" if "inQuery" in auth else "")
    if headers["Authorization"].startswith("Basic "):
        assert base64.b64decode(headers["Authorization"][6:]).decode() == f"me:{SECRET}"
    assert SECRET not in json.dumps(answer)
    assert headers["Authorization"][6:] not in json.dumps(answer) or not headers["Authorization"]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"auth": {"nobody": "x"}}, "knows no such scheme"),
        ({"auth": {"basic": "token"}}, "user:password"),
        ({"auth": {"basic": "me:a\nb"}}, "characters that no HTTP request may have"),
        ({"exclude": ("*",)}, "no operation"),
        ({"auth": {"bearer": "${NOBODY}"}}, "no secret is named NOBODY"),
    ],
)
async def test_a_definition_that_does_not_fit_says_why(
    house: House, gnarly: Api, more: dict[str, Any], reason: str
) -> None:
    await house.serve(defined(f"{gnarly.url}/openapi", **more))
    status = house.status("api")
    assert status.state is State.FAILING
    assert reason in status.reason


async def test_redirects_are_followed_within_the_origin_and_no_further(house: House, pets: Api, gnarly: Api) -> None:
    async def within(request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect("/v1/pets/1")

    async def away(request: web.Request) -> web.Response:
        raise web.HTTPFound(f"{gnarly.url}/steal?x=1")

    async def around(request: web.Request) -> web.Response:
        raise web.HTTPFound(request.path)

    pets.answers |= {"GET /v1/pets/7": within, "GET /v1/pets/8": away, "GET /v1/pets/9": around}
    await house.serve(petstore(pets))
    assert (await house.call("api", "showPet", {"petId": "7"}))["structuredContent"]["name"] == "Rex"
    assert f"another origin, {gnarly.url}, which is not followed" in said(
        await house.call("api", "showPet", {"petId": "8"})
    )
    assert not gnarly.asked
    with pytest.raises(BrokenReply, match="redirects more than 5 times"):
        await house.of("api").send(make_call("api", "showPet", {"petId": "9"}))


async def test_a_description_elsewhere_is_read_without_the_credentials_of_the_api(
    house: House, pets: Api, gnarly: Api
) -> None:
    async def description(_: web.Request) -> web.Response:
        return web.Response(body=PETSTORE.read_bytes())

    gnarly.answers["GET /openapi"] = description
    headers = {"X-Api-Key": "${TOKEN}"}
    await house.serve(petstore(gnarly, url=Template(f"{pets.url}/v1/"), headers=headers, auth={}))
    await house.call("api", "listPets")
    assert "X-Api-Key" not in gnarly.last.headers
    assert (pets.last.target, pets.last.headers["X-Api-Key"]) == ("/v1/pets", SECRET)


async def test_an_answer_that_is_not_as_described_is_told_as_an_error(house: House, pets: Api) -> None:
    async def wrong(_: web.Request) -> web.Response:
        return web.json_response({"name": 7})

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<html><title>Sign in, please</title>", content_type="text/html")

    async def fault(_: web.Request) -> web.Response:
        text = f"<html><title>Oops {SECRET}</title>"
        return web.Response(text=text, content_type="text/html", status=503, headers={"Retry-After": "7"})

    pets.answers |= {"GET /v1/pets/2": wrong, "GET /v1/pets/3": page, "GET /v1/pets/4": fault}
    await house.serve(petstore(pets))
    assert "not as its description has it" in said(await house.call("api", "showPet", {"petId": "2"}))
    assert "a web page: Sign in, please" in said(await house.call("api", "showPet", {"petId": "3"}))
    fallen = said(await house.call("api", "showPet", {"petId": "4"}))
    assert "503 Service Unavailable" in fallen
    assert "Try again after: 7" in fallen
    assert "Oops ***" in fallen


async def test_an_answer_of_any_size_is_read_to_the_limit(pets: Api) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_type = request.query.get("as", "application/json")
        await response.prepare(request)
        for _ in range(100):
            await response.write(b" " * 2**20)
        return response

    pets.answers |= {"GET /v1/pets/5": endless}
    async with clean(House(response_bytes=2**20)) as house:
        await house.serve(petstore(pets))
        with pytest.raises(ResponseTooLarge, match="more than the 1048576"):
            await house.of("api").send(make_call("api", "showPet", {"petId": "5"}))
        assert (await house.call("api", "showPet", {"petId": "1"}))["structuredContent"]


async def test_a_call_ends_at_its_deadline_and_when_its_caller_goes(house: House, pets: Api) -> None:
    came, gone = asyncio.Event(), asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        came.set()
        try:
            await asyncio.sleep(60)
        finally:
            gone.set()
        return web.Response()

    pets.answers["GET /v1/pets/6"] = hang
    await house.serve(petstore(pets))
    with pytest.raises(DeadlineExceeded, match=r"within 0\.1 s"):
        await house.of("api").send(make_call("api", "showPet", {"petId": "6"}, timeout=0.1))
    came.clear()
    gone.clear()
    sending = asyncio.ensure_future(house.of("api").send(make_call("api", "showPet", {"petId": "6"})))
    await asyncio.wait_for(came.wait(), 5)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    assert sending.cancelled()


async def test_an_api_that_goes_is_down_and_keeps_its_tools(house: House) -> None:
    api = Api(PETSTORE.read_bytes())
    async with serving(api):
        await house.serve(petstore(api))
    with pytest.raises(ServerUnavailable, match="'api' cannot be reached"):
        await asyncio.wait_for(_checked_until_it_fails(house), 5)
    await house.audience.until_state("api", State.FAILING)
    with pytest.raises(ServerUnavailable, match="is down: cannot be reached"):
        await house.call("api", "showPet", {"petId": "1"})
    assert house.audience.tools("api")  # the last good catalogue stays


async def test_a_description_that_is_missing_or_broken_keeps_its_server_down_with_the_reason(
    house: House, pets: Api, tmp_path: Path
) -> None:
    async def absent(_: web.Request) -> web.Response:
        return web.Response(status=404, text="none here")

    pets.answers["GET /openapi"] = absent
    await house.serve(petstore(pets))
    assert "does not give its OpenAPI description" in house.status("api").reason
    assert "404 Not Found" in house.status("api").reason
    await house.serve(defined(str(tmp_path / "none.yaml"), url=Template(pets.url)))
    assert "No such file" in house.status("api").reason


async def test_a_description_that_does_not_come_is_not_waited_for_long(pets: Api) -> None:
    async def hang(_: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    pets.answers["GET /openapi"] = hang
    async with clean(House(start_timeout=0.1)) as house:
        await house.serve(petstore(pets))
        assert house.status("api").reason == "did not give its description within 0.1 s"


async def test_a_file_is_read_again_when_it_changes(
    house: House, pets: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolgate.upstream.openapi.service._GLANCE", 0.02)
    file = tmp_path / "pets.yaml"
    file.write_bytes(PETSTORE.read_bytes())
    await house.serve(defined(str(file), url=Template(f"{pets.url}/v1")))
    file.write_text("openapi: [broken\n")
    file.write_text(PETSTORE.read_text().replace("listPets", "allPets"))
    await house.audience.until(lambda: "allPets" in house.audience.tools("api"))
    assert "listPets" not in house.audience.tools("api")


async def test_what_the_definition_sets_no_argument_changes(house: House, gnarly: Api) -> None:
    described = json.loads(GNARLY.read_text())
    parameters = [{"in": where, "name": name, "schema": {}} for where, name in (("query", "api key"), ("query", "q"))]
    security: list[Any] = [{"inQuery": []}]
    described["paths"] = {"/x": {"post": {"operationId": "x", "parameters": parameters, "security": security,
        "requestBody": {"content": {"text/plain": {}}}}}}  # fmt: skip
    gnarly.description = json.dumps(described).encode()
    headers = {"Content-Type": "application/json", "Accept": "text/csv"}
    await house.serve(defined(f"{gnarly.url}/openapi", auth={"inQuery": "${TOKEN}"}, headers=headers))
    await house.call("api", "x", {"api_key": "mine", "q": "1", "body": "ä"})
    assert gnarly.last.target == f"/v2/x?q=1&api%20key={SECRET}"
    assert gnarly.last.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert gnarly.last.headers["Accept"] == "text/csv"
    assert gnarly.last.body == "ä".encode()


async def test_an_encoding_that_nobody_asked_for_is_told(house: House, pets: Api) -> None:
    async def packed(_: web.Request) -> web.Response:
        return web.Response(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})

    pets.answers["GET /v1/pets/2"] = packed
    await house.serve(petstore(pets))
    assert "an encoding that was not asked for (gzip)" in said(await house.call("api", "showPet", {"petId": "2"}))


async def test_a_description_is_read_again_and_kept_where_it_cannot_be(
    house: House, pets: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolgate.upstream.openapi.service._HOUR", 0.02)
    await house.serve(petstore(pets))
    pets.description = b"oops"
    pets.answers["GET /openapi"] = unwell = Counted(web.Response, status=500)
    await asyncio.wait_for(unwell.twice.wait(), 5)
    assert "listPets" in house.audience.tools("api")
    pets.description = PETSTORE.read_bytes().replace(b"listPets", b"allPets")
    del pets.answers["GET /openapi"]
    await house.audience.until(lambda: "allPets" in house.audience.tools("api"))
    assert house.status("api").state is State.READY


async def test_no_description_writes_headers_of_its_own(house: House, pets: Api) -> None:
    document = {
        "openapi": "3.1.0",
        "paths": {
            "/a": {"post": {"requestBody": {"content": {"text/x\r\nX-Evil: 1": {}}}, "responses": {}}},
            "/b\r\nX-Evil: 1": {"get": {"operationId": "b", "responses": {}}},
            "/c": {"get": {"parameters": [{"in": "header", "name": "X\r\nX-Evil", "schema": {}}], "operationId": "c"}},
        },
        "components": {"securitySchemes": {
            "key": {"type": "apiKey", "in": "header", "name": "X\r\nX-Evil"},
            "way": {"type": "http", "scheme": "x\r\nX-Evil: 1"},
        }},
    }  # fmt: skip
    pets.description = json.dumps(document).encode()
    for scheme in ("key", "way"):
        await house.serve(petstore(pets, auth={scheme: "x"}))
        assert "which `auth` cannot do" in house.status("api").reason
    await house.serve(petstore(pets, auth={}))
    assert house.audience.tools("api") == ["b", "c"]
    assert "404" in said(await house.call("api", "b"))  # the path as it is written, in one line
    await house.call("api", "c", {"X_X-Evil": "1"})
    assert "X-Evil" not in pets.last.headers


class Counted:
    """Answers with what `make` makes, and tells when it was asked twice."""

    def __init__(self, make: Any, **more: Any) -> None:
        self._make, self._more = make, more
        self._count = 0
        self.twice = asyncio.Event()

    async def __call__(self, _: web.Request) -> web.Response:
        self._count += 1
        if self._count > 1:
            self.twice.set()
        response: web.Response = self._make(**self._more)
        return response


async def _checked_until_it_fails(house: House) -> None:
    """A connection that is kept is not known to be closed before the loop has looked."""
    while True:
        await house.pool.check("api")
        await asyncio.sleep(0)
