import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolgate.runtime.packages.command_line import is_runner, parse
from toolgate.runtime.packages.package import Ecosystem, Package, name_of

NPM, PYPI = Ecosystem.NPM, Ecosystem.PYPI


@pytest.mark.parametrize(
    ("line", "package"),
    [
        ("npx -y @scope/pkg@1.2 --port 1 -- x", Package(NPM, "@scope/pkg@1.2", (), "", ("--port", "1", "--", "x"))),
        ("npx pkg", Package(NPM, "pkg")),
        ("npx -- pkg -y", Package(NPM, "pkg", (), "", ("-y",))),
        ("/opt/node/bin/npx --yes pkg@latest /data", Package(NPM, "pkg@latest", (), "", ("/data",))),
        ("npx --package=a@^1 -p b bin arg", Package(NPM, "a@^1", ("b",), "bin", ("arg",))),
        ("npm exec -y -- pkg --flag", Package(NPM, "pkg", (), "", ("--flag",))),
        ("npm x --package=a -- bin", Package(NPM, "a", (), "bin")),
        ("bunx pkg a", Package(NPM, "pkg", (), "", ("a",))),
        ("bun x pkg", Package(NPM, "pkg")),
        ("pnpm --silent", None),
        ("pnpm dlx --package=a bin", Package(NPM, "a", (), "bin")),
        ("yarn dlx -q pkg", Package(NPM, "pkg")),
        ("uvx pkg --utc", Package(PYPI, "pkg", (), "pkg", ("--utc",))),
        ("uvx pkg@1.2 a", Package(PYPI, "pkg==1.2", (), "pkg", ("a",))),
        ("uvx pkg@latest", Package(PYPI, "pkg", (), "pkg")),
        ("uvx pkg[cli]>=1,<2", Package(PYPI, "pkg[cli]>=1,<2", (), "pkg")),
        ("uvx --from pkg==1 --with a,b>=2 cmd x", Package(PYPI, "pkg==1", ("a", "b>=2"), "cmd", ("x",))),
        ("uvx -p 3.12 pkg", Package(PYPI, "pkg", (), "pkg", (), "3.12")),
        ("uv tool run --python=python3.11 pkg", Package(PYPI, "pkg", (), "pkg", (), "python3.11")),
        ("pipx run --spec pkg==1 cmd --x", Package(PYPI, "pkg==1", (), "cmd", ("--x",))),
    ],
)
def test_what_is_surely_understood_becomes_a_package(line: str, package: Package | None) -> None:
    command, *args = line.split()
    assert parse(command, args) == package


@pytest.mark.parametrize(
    "line",
    [
        "npx",
        "npx -y",
        "npx -c pkg",
        "npx --registry=https://example.com pkg",
        "npx -y github:owner/repo",
        "npx -y owner/repo",
        "npx -y ./folder",
        "npx -y https://example.com/x.tgz",
        "npx -y name@npm:other",
        "npx -y name@file:../x",
        "npx --package",
        "npx --package= bin",
        "npx --package=a ./bin",
        "npm exec pkg --flag",
        "npm exec --call pkg",
        "npm install pkg",
        "bunx --bun pkg",
        "bunx pkg -- x",
        "pnpm dlx -c pkg",
        "uvx --index-url https://example.com pkg",
        "uvx --from git+https://example.com/x cmd",
        "uvx --from . cmd",
        "uvx --with-editable . cmd",
        "uvx --refresh pkg",
        "uvx --from pkg",
        "uvx script.py",
        "uvx --python pypy pkg",
        "uv run pkg",
        "pipx run script.py",
        "pipx run --no-cache pkg",
    ],
)
def test_what_is_not_surely_understood_is_left_alone(line: str) -> None:
    command, *args = line.split()
    assert parse(command, args) is None


def test_what_is_no_runner_is_not_taken_for_one() -> None:
    assert is_runner("/usr/bin/uvx", ())
    assert is_runner("npm", ("exec", "--odd"))
    assert not is_runner("npm", ("install",))
    assert not is_runner("node", ("server.js",))


words = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ("-y", "--", "--package=a", "--package", "-p", "b", "@s/n@1", "pkg==1", "--from", "x[y]", "--with")
    ),
    st.sampled_from(("z", "-q", "exec", "x", "dlx", "tool", "run", "..", "a@b@c", "--yes")),
)
runners = st.sampled_from(["npx", "npm", "uvx", "uv", "bunx", "bun", "pnpm", "yarn", "pipx", "/usr/bin/npx"])


@given(runners, st.lists(words, max_size=8))
def test_no_argument_is_lost_or_made_up(command: str, args: list[str]) -> None:
    package = parse(command, args)
    if package is None:
        return
    behind = list(package.arguments)
    assert args[len(args) - len(behind) :] == behind or "--" in args
    assert package.spec
    for spec in (package.spec, *package.extra, package.binary):
        assert not spec.startswith("-")
        assert not set(spec) & set("\0\n:\\'\"$`;&| ")


@given(st.lists(words, max_size=4), st.lists(words, max_size=4))
def test_the_programs_own_arguments_change_nothing_of_what_is_installed(args: list[str], more: list[str]) -> None:
    one = parse("npx", ["-y", "pkg", *args])
    other = parse("npx", ["-y", "pkg", *more])
    assert one is not None
    assert other is not None
    assert (one.spec, one.extra, one.binary) == (other.spec, other.extra, other.binary)
    assert one.arguments == tuple(args)


def test_arguments_are_not_shown() -> None:
    assert "hunter2" not in repr(parse("npx", ["pkg", "--key=hunter2"]))


@pytest.mark.parametrize(
    ("spec", "name"), [("@a/b@1", "@a/b"), ("@a/b", "@a/b"), ("a@^1", "a"), ("a[b]==1", "a"), ("a-b>=1", "a-b")]
)
def test_a_name_is_the_beginning_of_its_spec(spec: str, name: str) -> None:
    assert name_of(spec) == name
