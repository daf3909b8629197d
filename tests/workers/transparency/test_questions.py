"""`tests.transparency.test_questions` over two workers."""

from tests.transparency.test_questions import *  # noqa: F403  # all its tests
