"""What is not served yet: when it is late, and how long it waited for its turn."""

import pytest

from edge.backlog import Backlog


def test_what_is_served_at_once_waited_as_long_as_it_was_late() -> None:
    """The time that serving a large audience takes is no queue."""
    backlog = Backlog()
    backlog.take((0, 5), 1_000, 7.0, 10.0, served=0)
    assert backlog.served(0, 10.0) == []
    assert backlog.served(5, 10.3) == [(1_000, pytest.approx(7.0))]
    assert backlog.served(5, 11.0) == []


def test_what_comes_while_others_are_served_waits_until_they_are() -> None:
    """A round that is not over when the next window comes is a queue."""
    backlog = Backlog()
    backlog.take((0, 5), 1_000, 0.0, 10.0, served=0)
    assert backlog.served(0, 10.0) == []
    backlog.take((5, 6), 1_250, 2.0, 10.25, served=0)
    assert backlog.served(0, 10.25) == []
    assert backlog.served(5, 10.3) == [(1_000, pytest.approx(0.0))]
    assert backlog.served(6, 10.5) == [(1_250, pytest.approx(52.0))]


def test_what_waits_for_its_own_window_waits_in_no_queue() -> None:
    """Nothing was before it: a window's end is no delay."""
    backlog = Backlog()
    backlog.take((5, 6), 1_000, 3.0, 10.0, served=5)
    assert backlog.served(6, 10.05) == [(1_000, pytest.approx(3.0))]


def test_late_is_what_is_older_than_it_may_be() -> None:
    """How late it was when it came counts; what is not of a sampled stream is never late."""
    backlog = Backlog()
    backlog.take((0, 5), 0, 300.0, 10.0, 400.0, served=0)
    backlog.take((5, 6), 0, 0.0, 10.0, 400.0, served=0)
    backlog.take((6, 9), 0, 9_000.0, 10.0, served=0)
    assert [backlog.late(now) for now in (10.09, 10.11, 10.39, 10.41, 99.0)] == [-1, 5, 5, 6, 6]
    backlog.clear()
    assert backlog.late(99.0) == -1
