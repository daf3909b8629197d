from pathlib import Path

from toolgate.store.folder import state_folder


def test_the_environment_names_the_folder() -> None:
    assert state_folder({"TOOLGATE_STATE": "/somewhere/else"}) == Path("/somewhere/else")


def test_without_it_the_operating_systems_place_is_taken() -> None:
    assert state_folder({}).name == "toolgate"
