"""`tests.transparency.test_lists` over two workers."""

from tests.transparency.test_lists import *  # noqa: F403  # all its tests
