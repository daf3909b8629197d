from pathlib import Path

import pytest

from toolgate.sources.variables import UnknownVariable, Variables

HOME = Path("/home/dev")


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("plain $HOME", "plain $HOME"),
        ("${env:TOKEN}", "${TOKEN}"),
        ("Bearer ${env:A}${env:B}", "Bearer ${A}${B}"),
        ("${env:ProgramFiles(x86)}", "${environment:ProgramFiles(x86)}"),
        ("${TOKEN:-none}", "${TOKEN:-none}"),
        ("${input:key}", "${input:key}"),
        ("${userHome}${/}x${pathSeparator}y", "/home/dev/x/y"),
        ("${workspaceFolder}:${workspaceFolderBasename}", "/srv/shop:shop"),
    ],
)
def test_a_variable_becomes_a_value_or_a_reference(text: str, result: str) -> None:
    assert Variables(HOME, Path("/srv/shop"), windows=False).substitute(text) == result


def test_windows_separates_with_a_backslash() -> None:
    assert Variables(HOME, windows=True).substitute("a${pathSeparator}b") == "a\\b"


@pytest.mark.parametrize(
    "text", ["${workspaceFolder}", "${workspaceFolder:api}", "${command:x.y}", "${config:a.b}", "${file}", "${cwd}"]
)
def test_what_only_an_editor_knows_is_named(text: str) -> None:
    with pytest.raises(UnknownVariable) as caught:
        Variables(HOME).substitute(f"--dir={text}")
    assert caught.value.reason.startswith(text)
