"""Servers whose definition is an API: what `openapi` and `graphql` take, and where their files are."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from toolgate.cli.servers import describe
from toolgate.config.model import ServerEntry
from toolgate.model.secretref import Template
from toolgate.model.server import GraphQl, OpenApi, Provenance, Server, Transport
from toolgate.sources.document import DocumentServers
from toolgate.sources.entry import BrokenEntry, Place, read_entry
from toolgate.sources.variables import Variables
from toolgate.upstream.fingerprint import fingerprint

HERE = "https://api.example.com"


def entry(**members: Any) -> ServerEntry:
    return ServerEntry.model_validate(members)


def placed(path: Path, **members: Any) -> Server:
    [server] = DocumentServers({"api": entry(**members)}, path / "toolgate.yaml", Path("/home/me"), 30).read().servers
    return server


def test_an_entry_of_each_kind_is_one() -> None:
    given = entry(openapi=f"{HERE}/o.json", url=HERE, headers={"A": "${B}"}, auth={"key": "${K}"}, include=["GET *"])
    assert isinstance(given.transport, OpenApi)
    assert (given.transport.auth["key"].text, given.transport.include) == ("${K}", ("GET *",))
    shop = entry(graphql=f"{HERE}/graphql", schema_file="shop.graphql").transport
    assert isinstance(shop, GraphQl)
    assert shop.schema_file == "shop.graphql"


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"openapi": "x.json", "command": "npx"}, "both a `command` and a `openapi`"),
        ({"openapi": "x.json", "graphql": HERE}, "both a `openapi` and a `graphql`"),
        ({"graphql": HERE, "url": HERE}, "both a `graphql` and a `url`"),
        ({"graphql": HERE, "auth": {"key": "x"}}, "`auth` goes with `openapi`"),
        ({"url": HERE, "include": ["x"]}, "`include` goes with `graphql` or `openapi`"),
        ({"openapi": "ftp://x/y"}, "http:// or https:// address, or the path of a file"),
        ({"openapi": " "}, "the path of a file"),
        ({"openapi": "x.json", "url": "nowhere"}, "should be an http:// or https:// address"),
        ({"openapi": "x.json", "auth": {"key": "a\nb"}}, "no HTTP request can have"),
        ({"graphql": "here"}, "should be an http:// or https:// address"),
    ],
)
def test_what_makes_no_sense_is_refused(members: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError) as raised:
        entry(**members)
    assert reason in str(raised.value)


def test_files_are_relative_to_the_document(tmp_path: Path) -> None:
    described = placed(tmp_path, openapi="api/pets.yaml", url=HERE).transport
    assert isinstance(described, OpenApi)
    assert described.description.text == str(tmp_path / "api" / "pets.yaml")
    shop = placed(tmp_path, graphql=HERE, schema_file="~/shop.graphql").transport
    assert isinstance(shop, GraphQl)
    assert shop.schema_file == "/home/me/shop.graphql"
    remote = placed(tmp_path, openapi=f"{HERE}/openapi.json").transport
    assert isinstance(remote, OpenApi)
    assert remote.description.text == f"{HERE}/openapi.json"


def test_the_files_of_clients_may_name_them_too(tmp_path: Path) -> None:
    place = Place("test", "f", tmp_path, Variables(tmp_path), 30)
    api = read_entry("api", {"openapi": "pets.yaml", "url": HERE, "auth": {"key": "k"}, "exclude": ["x"]}, place)
    assert isinstance(api.transport, OpenApi)
    assert api.transport.description.text == str(tmp_path / "pets.yaml")
    shop = read_entry("shop", {"graphql": HERE, "schema_file": "s.graphql"}, place)
    assert isinstance(shop.transport, GraphQl)
    assert shop.transport.schema_file == str(tmp_path / "s.graphql")
    with pytest.raises(BrokenEntry, match="include: should be a list"):
        read_entry("api", {"openapi": "pets.yaml", "include": "x"}, place)


def test_nothing_that_may_be_secret_is_shown() -> None:
    server = Server(
        "api",
        OpenApi(Template(f"{HERE}/k3y/o.json"), Template(HERE), {"A": Template("pasted")}, {"key": Template("${K}")}),
        Provenance("test"),
    )
    assert describe(server) | {"timeout": 0} == {
        "name": "api", "source": "test", "openapi": f"{HERE}/***", "url": HERE, "headers": {"A": "***"},
        "auth": {"key": "${K}"}, "timeout": 0,
    }  # fmt: skip
    assert "pasted" not in repr(server)


def test_each_thing_that_decides_what_is_reached_makes_another_server() -> None:
    transports: list[Transport] = [
        OpenApi(Template(HERE)),
        OpenApi(Template(HERE), Template(HERE)),
        OpenApi(Template(HERE), auth={"k": Template("x")}),
        OpenApi(Template(HERE), include=("x",)),
        OpenApi(Template(HERE), exclude=("x",)),
        GraphQl(Template(HERE)),
        GraphQl(Template(HERE), schema_file="x"),
        GraphQl(Template(HERE), include=("x",)),
    ]
    assert len({fingerprint(Server("api", transport, Provenance("test"))) for transport in transports}) == len(
        transports
    )
