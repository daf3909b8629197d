"""`tests.transparency.test_generated` over two workers."""

from tests.transparency.test_generated import *  # noqa: F403  # all its tests
