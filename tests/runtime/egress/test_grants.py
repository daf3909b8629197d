import pytest

from toolgate.runtime.egress.grants import Grants


@pytest.mark.parametrize(
    ("entries", "reached", "not_reached"),
    [
        (
            "api.example.com",
            "api.example.com:443 api.example.com:80",
            "api.example.com:22 example.com:443 x.api.example.com:80",
        ),
        ("API.Example.com.:8443", "api.example.com:8443", "api.example.com:443"),
        (
            "*.example.com",
            "a.example.com:443 a.b.example.com:80",
            "example.com:443 badexample.com:443 a.example.com:22",
        ),
        ("*", "anything.example.net:443 1.example:80", "anything.example.net:22 localhost:80"),
        ("* *:22", "git.example.com:22 git.example.com:443", "git.example.com:23"),
        ("10.0.0.5:8443 1.1.1.1", "10.0.0.5:8443 1.1.1.1:443", "10.0.0.5:443 1.1.1.1:53 1.0.0.1:443"),
        ("private:db.corp:5432", "db.corp:5432", "db.corp:443"),
        ("localhost:5432", "127.0.0.1:5432", "127.0.0.1:80 localhost:5432"),
        ("private:8080", "private:8080", "private:443"),
        ("bücher.example", "xn--bcher-kva.example:443", ""),
        ("", "", "example.com:443"),
    ],
)
def test_what_is_written_is_what_is_reached(entries: str, reached: str, not_reached: str) -> None:
    grants = Grants(entries.split())

    def granted(place: str) -> bool:
        name, _, port = place.partition(":")
        return grants.at(name, int(port)) is not None

    assert all(map(granted, reached.split()))
    assert not any(map(granted, not_reached.split()))


def test_only_what_says_so_may_be_private() -> None:
    grants = Grants(["*", "db.corp", "private:db.corp", "private:*.lan:22", "10.0.0.5"])
    places = {("db.corp", 443): True, ("a.lan", 22): True, ("a.lan", 443): False, ("10.0.0.5", 80): True}
    found = {(name, port): grants.at(name, port) for name, port in places}
    assert {place: grant is not None and grant.private for place, grant in found.items()} == places


def test_ports_are_bounded() -> None:
    with pytest.raises(ValueError, match="at most 64 different ports"):
        Grants([f"api.example.com:{port}" for port in range(1000, 1065)])
