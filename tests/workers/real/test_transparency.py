"""`tests.real.test_transparency` over two workers."""

from tests.real.test_transparency import *  # noqa: F403  # all its tests
