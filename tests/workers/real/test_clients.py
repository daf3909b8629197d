"""`tests.real.test_clients` over two workers."""

from tests.real.test_clients import *  # noqa: F403  # all its tests
