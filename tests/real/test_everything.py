"""What server-everything does beyond answering: it changes what it offers, and it shows its environment."""

import asyncio
import base64
import json

from tests.conftest import StartGateway
from tests.parts.where import Parts
from tests.peers import LEGACY, MODERN, http_peer
from tests.real.compare import listed


def config(parts: Parts) -> dict[str, object]:
    command, *args = parts.node("server-everything")
    entry = {"command": command, "args": args, "env": {"GIVEN": "${FROM_THE_GATEWAY}", "DEFAULT": "${UNSET:-fallback}"}}
    return {"version": 1, "sources": [], "servers": {"everything": entry}}


async def test_a_resource_that_a_call_adds_is_announced_and_then_listed(
    parts: Parts, start_gateway: StartGateway
) -> None:
    gateway = await start_gateway(config(parts), env={"FROM_THE_GATEWAY": "x"})
    await gateway.settled("everything")
    arguments = {"name": "hello.txt.gz", "data": f"data:text/plain;base64,{base64.b64encode(b'hello').decode()}"}
    async with http_peer(gateway.endpoint("everything"), version=LEGACY) as client, asyncio.timeout(30):
        before = await listed(client, "resources")
        async with client.hearing() as messages:
            answer = await client.request(
                "tools/call",
                {"name": "gzip-file-as-resource", "arguments": {**arguments, "outputType": "resourceLink"}},
            )
            [link] = answer.result["content"]
            while (await anext(messages))["method"] != "notifications/resources/list_changed":
                pass
        after = await listed(client, "resources")
        assert {item["uri"] for item in after} - {item["uri"] for item in before} == {link["uri"]}
        content = (await client.request("resources/read", {"uri": link["uri"]})).result["contents"][0]
        assert base64.b64decode(content["blob"])[:2] == b"\x1f\x8b"


async def test_a_child_gets_what_it_is_given_and_not_the_gateways_environment(
    parts: Parts, start_gateway: StartGateway
) -> None:
    gateway = await start_gateway(config(parts), env={"FROM_THE_GATEWAY": "given", "NOT_FOR_CHILDREN": "hidden"})
    await gateway.settled("everything")
    async with http_peer(gateway.endpoint("everything"), version=MODERN) as client:
        answer = await client.request("tools/call", {"name": "get-env"})
    environment = json.loads(answer.result["content"][0]["text"])
    assert environment["GIVEN"] == "given"
    assert environment["DEFAULT"] == "fallback"
    assert {"PATH", "HOME"} <= environment.keys()
    assert not {"NOT_FOR_CHILDREN", "FROM_THE_GATEWAY", "TOOLGATE_STATE"} & environment.keys()
