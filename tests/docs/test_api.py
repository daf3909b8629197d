"""The page of the HTTP API tells what a running gateway answers."""

import re

from tests.conftest import StartGateway
from tests.docs.test_reference import REFERENCE, section


async def test_everything_on_the_page_answers_as_it_says(start_gateway: StartGateway) -> None:
    page = REFERENCE / "api.md"
    gateway = await start_gateway({"version": 1, "sources": []})
    [name] = await gateway.settled()
    endpoints = re.findall(r"^## `(GET|POST) (\S+)`", page.read_text(), re.MULTILINE)
    assert len(endpoints) == 17
    for method, path in endpoints:
        async with gateway.session.request(method, gateway.url + path.format(name=name)) as response:
            assert response.status == 200, path
            if path.endswith(".csv"):
                assert (await response.text()).startswith("server,name,calls,")
            elif "/api/" in path:
                assert await response.json()
    members = re.findall(r"^\| `(\w+)` \|", section(page, "`GET /api/v1/servers/{name}`"), re.MULTILINE)
    assert members == list((await gateway.status())[name])


async def test_the_one_server_where_there_is_no_other_is_the_demonstration(start_gateway: StartGateway) -> None:
    gateway = await start_gateway("version: 1\nsources: []\n")
    servers = await gateway.settled()
    assert list(servers) == ["demo"]
