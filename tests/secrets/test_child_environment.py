import pytest

from toolgate.secrets.child_environment import child_environment


def test_a_child_gets_what_it_is_given_and_the_safe_list() -> None:
    parent = {"PATH": "/bin", "HOME": "/home/x", "LC_ALL": "C", "XDG_RUNTIME_DIR": "/run", "https_proxy": "p"}
    assert child_environment(parent, {"TOKEN": "t"}, "linux") == {**parent, "TOKEN": "t"}


@pytest.mark.parametrize(
    "name",
    ["AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "DATABASE_URL", "UV_INDEX_URL", "UV_PUBLISH_TOKEN", "PIP_INDEX_URL",
     "NPM_CONFIG__AUTH", "NODE_OPTIONS", "PYTHONPATH", "LD_PRELOAD", "TOOLGATE_DATABASE", "PATHS", "MY_PATH", "path"],
)  # fmt: skip
def test_nothing_else_of_the_gateways_own_reaches_it(name: str) -> None:
    assert child_environment({name: "x"}, {}, "linux") == {}


def test_its_own_variables_win() -> None:
    assert child_environment({"PATH": "/bin", "HOME": "/h"}, {"PATH": "/own"}, "linux") == {
        "PATH": "/own",
        "HOME": "/h",
    }


def test_functions_of_old_shells_are_not_passed_on() -> None:
    assert child_environment({"TERM": "() { :;}; echo"}, {}, "linux") == {}


def test_windows_has_its_own_list_and_one_name_in_any_case() -> None:
    parent = {"Path": "C:\\Windows", "SystemRoot": "C:\\Windows", "ProgramFiles(x86)": "C:\\P", "SECRET": "x"}
    assert child_environment(parent, {"PATH": "D:\\own"}, "win32") == {
        "SystemRoot": "C:\\Windows",
        "ProgramFiles(x86)": "C:\\P",
        "PATH": "D:\\own",
    }
