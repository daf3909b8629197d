"""A gateway, from `npx` in its document to a server that answers, behind walls."""

from tests.conftest import StartGateway
from tests.runtime.packages.registries import Registry


async def test_a_gateway_installs_what_npx_names_and_runs_it_without_npx(
    start_gateway: StartGateway, registry: Registry
) -> None:
    servers = {"tiny": {"command": "npx", "args": ["-y", "@tiny/server"]}}
    gateway = await start_gateway({"version": 1, "servers": servers}, env={"npm_config_registry": registry.url})

    statuses = await gateway.settled("tiny")

    assert statuses["tiny"]["state"] == "ready"
    running = [" ".join(child.cmdline()) for child in gateway.children()]
    assert any("/packages/" in line and "server.js" in line for line in running)
    assert not any("npx" in line for line in running)
    async with gateway.session.get(f"{gateway.url}/api/v1/servers/tiny/logs") as response:
        assert "runs @tiny/server 1.1.0" in await response.text()
