"""A gateway that serves does not look for garbage among what it is made of."""

import subprocess
import sys

SERVES = """
import gc
from toolgate.cli import collector

collector.load()
import toolgate.cli.serving
collector.serve()
assert gc.isenabled()
assert gc.get_freeze_count() > 10 * len(gc.get_objects()), "what was loaded is out of its sight"
looked = []
gc.callbacks.append(lambda phase, info: looked.append(phase))


class Knot:
    def __init__(self):
        self.itself = self


for _ in range(100_000):
    Knot()
assert looked
assert sum(isinstance(one, Knot) for one in gc.get_objects()) < 5_000, "what refers to itself is found"
"""


def test_what_was_loaded_is_left_alone_and_what_calls_leave_is_found() -> None:
    done = subprocess.run([sys.executable, "-c", SERVES], check=False, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_gateway_loads_neither_migrations_nor_other_databases_nor_a_cipher() -> None:
    code = (
        "import sys, toolgate.cli.main, toolgate.cli.up, toolgate.cli.serving\n"
        "heavy = {'alembic', 'rich', 'cryptography.hazmat.primitives.ciphers.aead', 'aiohttp', 'mako',"
        " 'sqlalchemy.dialects.postgresql'}\n"
        "print(*sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == ""
