"""`tests.transparency.test_requests` over two workers."""

from tests.transparency.test_requests import *  # noqa: F403  # all its tests
