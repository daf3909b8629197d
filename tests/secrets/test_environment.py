from toolgate.model.secretref import Reference, Secret
from toolgate.secrets.environment import EnvironmentStore


async def test_a_variable_is_a_secret_under_its_name() -> None:
    store = EnvironmentStore({"B": "two", "A": ""})
    assert await store.get(Reference("B")) == Secret("two")
    assert await store.get(Reference("A")) == Secret("")
    assert await store.get(Reference("C")) is None
    assert await store.names() == ("A", "B")
