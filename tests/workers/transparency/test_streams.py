"""`tests.transparency.test_streams` over two workers."""

from tests.transparency.test_streams import *  # noqa: F403  # all its tests
