"""`tests.transparency.test_results` over two workers."""

from tests.transparency.test_results import *  # noqa: F403  # all its tests
