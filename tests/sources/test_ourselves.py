import pytest

from toolgate.model.secretref import Template
from toolgate.model.server import Http, Stdio
from toolgate.sources.ourselves import is_toolgate


def child(*words: str) -> Stdio:
    return Stdio(Template(words[0]), tuple(map(Template, words[1:])))


def http(url: str) -> Http:
    return Http(Template(url))


@pytest.mark.parametrize(
    "transport",
    [
        child("toolgate", "stdio"),
        child("/opt/venv/bin/toolgate", "stdio"),
        child("C:\\Tools\\Toolgate.EXE", "stdio"),
        child("uvx", "toolgate", "stdio"),
        child("cmd", "/c", "toolgate", "stdio"),
        child("python3", "-m", "toolgate", "stdio"),
        child("npx", "-y", "mcp-remote", "http://localhost:8765/mcp"),
        http("http://127.0.0.1:8765/mcp"),
        http("http://localhost:8765/mcp/"),
        http("http://[::1]:8765/servers/github/mcp"),
        http("http://127.0.0.1:8765/virtual/support/mcp?x=1"),
    ],
)
def test_what_leads_back_here_is_known(transport: Stdio | Http) -> None:
    assert is_toolgate(transport, "127.0.0.1", 8765)


@pytest.mark.parametrize(
    "transport",
    [
        child("npx", "-y", "toolgate-lookalike"),
        child("grep", "toolgate"),
        child("npx", "-y", "mcp-remote", "http://localhost:9000/mcp"),
        http("http://127.0.0.1:8766/mcp"),
        http("http://127.0.0.1:8765/other"),
        http("https://gate.example.com:8765/mcp"),
        http("http://127.0.0.1:${PORT}/mcp"),
    ],
)
def test_what_leads_elsewhere_is_not(transport: Stdio | Http) -> None:
    assert not is_toolgate(transport, "127.0.0.1", 8765)


def test_a_name_that_the_gateway_listens_on_is_its_own() -> None:
    assert is_toolgate(http("http://10.0.0.5:8765/mcp"), "10.0.0.5", 8765)
