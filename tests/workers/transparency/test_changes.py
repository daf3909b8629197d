"""`tests.transparency.test_changes` over two workers."""

from tests.transparency.test_changes import *  # noqa: F403  # all its tests
