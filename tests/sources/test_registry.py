import json
from typing import Any

import pytest

from tests.sources.registry_double import registry_double
from toolgate.config.model import ServerEntry
from toolgate.model.card import Card
from toolgate.sources.registry import Entry, Registry, RegistryError


def server(name: str = "com.example/weather", **more: Any) -> dict[str, Any]:
    return {"name": name, "description": "Weather of everywhere", "version": "1.2.3", **more}


def package(kind: str = "npm", name: str = "@example/weather", **more: Any) -> dict[str, Any]:
    return {"registryType": kind, "identifier": name, "version": "1.2.3", "transport": {"type": "stdio"}, **more}


def card(**more: Any) -> Card:
    return Entry(server(**more)).card()


def asked(made: Card) -> dict[str, Any]:
    return {entry.name: (entry.kind.value, entry.required, entry.default) for entry in made.inputs}


# asking


def test_pages_are_followed_and_bounded() -> None:
    with registry_double([server(f"com.example/weather-{number}") for number in range(300)]) as double:
        assert len(Registry(double.url).search("weather", 50)) == 50
        assert len(double.asked) == 2
        assert "search=weather&version=latest" in double.asked[0]
        assert len(Registry(double.url).search("weather", 1000)) == 120


def test_every_word_counts_and_not_in_names_alone() -> None:
    with registry_double([server(), server("com.example/weather-us", description="Weather of the US")]) as double:
        found = Registry(double.url).search("us WEATHER")
        assert [entry.name for entry in found] == ["com.example/weather-us"]
        assert "search=weather&" in double.asked[0]


def test_answers_are_kept_for_a_while() -> None:
    now = [0.0]
    with registry_double([server()]) as double:
        registry = Registry(double.url, clock=lambda: now[0])
        for _ in range(3):
            assert registry.show("com.example/weather").version == "1.2.3"
        assert double.asked == ["/v0.1/servers/com.example%2Fweather/versions/latest"]
        now[0] = 1000
        registry.show("com.example/weather")
        assert len(double.asked) == 2


def test_a_server_that_is_not_there_is_said_to_be_not_there() -> None:
    with registry_double([server()]) as double:
        with pytest.raises(RegistryError, match=r"the registry has no com\.example/other latest"):
            Registry(double.url).show("com.example/other")
        with pytest.raises(RegistryError, match=r"has no com\.example/weather 9"):
            Registry(double.url).show("com.example/weather", "9")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((500, b"oops", {}), "answered with HTTP 500"),
        ((200, b"<html>", {}), "is not JSON"),
        ((200, b"[]", {}), "is not JSON"),
        ((200, b"{}", {}), "has no `servers`"),
        ((200, b"x" * (5 * 2**20), {}), "more than 4 MiB"),
        ((302, b"", {"Location": "/v0.1/servers"}), "leads on and on"),
        ((302, b"", {"Location": "http://192.0.2.1/x"}), "is asked over https:// alone"),
        ((302, b"", {"Location": "file:///etc/passwd"}), "not an http:// or https:// address"),
    ],
)
def test_what_is_no_registry_is_told_from_one(answer: tuple[int, bytes, dict[str, str]], reason: str) -> None:
    with registry_double([]) as double:
        double.answer = answer
        with pytest.raises(RegistryError, match=reason):
            Registry(double.url).search("x")


def test_a_registry_that_is_not_there_is_said_to_be() -> None:
    with pytest.raises(RegistryError, match="does not answer"):
        Registry("http://127.0.0.1:1").search("x")
    with pytest.raises(RegistryError, match="over https:// alone"):
        Registry("http://registry.example.com").search("x")


def test_entries_that_are_broken_or_deleted_are_left_out() -> None:
    with registry_double([server(), server("com.example/weather-old", status="deleted")]) as double:
        assert [entry.name for entry in Registry(double.url).search("weather")] == ["com.example/weather"]
        double.answer = (200, json.dumps({"servers": [1, {"server": None}, {"server": {"name": 1}}, {}]}).encode(), {})
        assert Registry(double.url).search("weather") == []


# making cards


def test_an_npm_package_is_pinned_and_its_variables_are_asked_for() -> None:
    made = card(
        websiteUrl="https://example.com/weather",
        packages=[
            package(
                environmentVariables=[
                    {"name": "API_KEY", "description": "Yours", "isRequired": True, "isSecret": True},
                    {"name": "UNITS", "choices": ["metric", "imperial"], "default": "metric"},
                    {"name": "MODE", "value": "stdio"},
                ]
            )
        ],
    )
    assert (made.name, made.docs) == ("com.example.weather", "https://example.com/weather")
    assert asked(made) == {
        "API_KEY": ("secret", True, None),
        "UNITS": ("choice", False, "metric"),
        "hosts": ("text", False, None),
    }
    filled = made.filled({"API_KEY": "${vault:key}", "hosts": ["api.example.com"]})
    assert filled == {
        "command": "npx",
        "args": ["-y", "@example/weather@1.2.3"],
        "env": {"API_KEY": "${vault:key}", "UNITS": "metric", "MODE": "stdio"},
        "sandbox": {"network": ["api.example.com"]},
    }
    assert ServerEntry.model_validate(filled).transport is not None


def test_arguments_are_flags_positions_and_repetitions() -> None:
    made = card(
        packages=[
            package(
                "pypi",
                "weather-server",
                runtimeArguments=[{"type": "named", "name": "--python", "value": "3.12"}],
                packageArguments=[
                    {"type": "positional", "value": "start"},
                    {"type": "named", "name": "--verbose"},
                    {"type": "named", "name": "--port", "format": "number", "default": "8080"},
                    {"type": "named", "name": "--mode", "description": "How", "isRequired": True},
                    {"type": "positional", "valueHint": "dirs", "isRepeated": True, "format": "filepath",
                     "default": "relative/one"},
                ],
            )
        ]
    )  # fmt: skip
    assert asked(made) == {
        "mode": ("text", True, None),
        "port": ("text", False, "8080"),
        "dirs": ("path", False, None),
        "hosts": ("text", False, None),
    }
    filled = made.filled({"mode": "fast", "dirs": ["/a", "/b"]})
    assert filled["args"] == [
        "--python", "3.12", "weather-server==1.2.3",
        "start", "--verbose", "--port", "8080", "--mode", "fast", "/a", "/b",
    ]  # fmt: skip
    assert filled["sandbox"]["mounts"] == [{"path": "/a", "writable": True}, {"path": "/b", "writable": True}]


def test_an_image_gets_its_variables_by_name() -> None:
    made = card(
        packages=[
            package(
                "oci",
                "ghcr.io/example/weather:1.2.3",
                version="",
                environmentVariables=[{"name": "KEY", "isSecret": True, "isRequired": True}],
            )
        ]
    )
    assert made.filled({"KEY": "${KEY}"}) == {
        "command": "docker",
        "args": ["run", "-i", "--rm", "-e", "KEY", "ghcr.io/example/weather:1.2.3"],
        "env": {"KEY": "${KEY}"},
    }


def test_a_remote_is_reached_with_its_variables_and_headers() -> None:
    made = card(
        remotes=[
            {"type": "sse", "url": "https://old.example.com/sse"},
            {
                "type": "streamable-http",
                "url": "https://{tenant}.example.com/{unknown}/mcp",
                "variables": {"tenant": {"description": "Yours", "choices": ["eu", "us"]}},
                "headers": [
                    {"name": "Authorization", "value": "Bearer {key}", "variables": {"key": {"isSecret": True}}}
                ],
            },
        ]
    )
    assert asked(made) == {"tenant": ("choice", True, None), "key": ("secret", True, None)}
    assert made.filled({"tenant": "eu", "key": "${KEY}"}) == {
        "url": "https://eu.example.com/{unknown}/mcp",
        "headers": {"Authorization": "Bearer ${KEY}"},
    }


def test_a_package_counts_before_a_remote_and_what_is_not_run_here_is_passed_by() -> None:
    made = card(
        packages=[
            package("nuget", "Example.Weather"),
            package(transport={"type": "streamable-http", "url": "http://x"}),
        ],
        remotes=[{"type": "streamable-http", "url": "https://mcp.example.com"}],
    )
    assert made.transport == "http"
    assert card(packages=[package()], remotes=[{"type": "sse", "url": "https://x.example"}]).transport == "stdio"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, "it has no package"),
        ({"packages": [package("nuget", "X")]}, "it comes as nuget"),
        ({"packages": [package("mcpb", "https://x.example/a.mcpb")]}, "it is a bundle"),
        ({"packages": [package(version="")]}, "no exact version"),
        ({"packages": [package(version="^1.0")]}, "no exact version"),
        ({"packages": [package(name="--registry=https://evil.example")]}, "the name of its package is none"),
        ({"packages": [package(name="x y")]}, "the name of its package is none"),
        ({"packages": [package("oci", "-v/:/host")]}, "the name of its package is none"),
        (
            {"packages": [package(packageArguments=[{"type": "named", "name": "--key", "isSecret": True}])]},
            "wants a secret",
        ),
        (
            {"packages": [package(environmentVariables=[{"name": "A", "value": "${AWS_SECRET_ACCESS_KEY}"}])]},
            "would be taken for a secret's name",
        ),
        ({"remotes": [{"type": "sse", "url": "https://x.example/${HOME}"}]}, "would be taken for a secret's name"),
        ({"packages": [package(environmentVariables=[{"name": f"A{n}"} for n in range(80)])]}, "more than 64"),
        ({"packages": "none", "remotes": {"type": "sse"}}, "it has no package"),
    ],
)
def test_what_cannot_be_installed_is_said_to_be_so(more: dict[str, Any], reason: str) -> None:
    with pytest.raises(RegistryError, match=reason):
        card(**more)


def test_two_inputs_of_one_name_are_two() -> None:
    made = card(
        packages=[
            package(
                environmentVariables=[{"name": "KEY"}],
                packageArguments=[{"type": "named", "name": "--KEY", "isRequired": True}],
            )
        ]
    )
    assert list(asked(made)) == ["KEY_2", "KEY", "hosts"]
