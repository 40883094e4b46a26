"""When reads are refused because persist is behind: the pure part, with time given."""

from hypothesis import given
from hypothesis import strategies as st

from edge.api.freshness import BEHIND_SECONDS, GROUPS, Freshness, Trail
from schemas.settings import Kafka


class Clock:
    """Seconds, as the test says."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_reader_that_keeps_up_is_never_behind() -> None:
    """However much is written, and though its commits are a second old."""
    trail = Trail()
    for second in range(100):
        trail.look(float(second), second * 1000, max(0, second - 1) * 1000)
        assert not trail.behind


def test_a_reader_that_stands_still_is_behind_after_a_while() -> None:
    """Not at once, and no longer when it has caught up."""
    trail = Trail()
    trail.look(0.0, 10, 10)
    for second in range(1, int(BEHIND_SECONDS) + 1):
        trail.look(float(second), 20, 10)
        assert not trail.behind
    trail.look(BEHIND_SECONDS + 1.5, 20, 10)
    assert trail.behind
    trail.look(BEHIND_SECONDS + 2.5, 20, 20)
    assert not trail.behind


def test_a_quiet_log_makes_nobody_late() -> None:
    """Nothing to read is nothing missed, for ever."""
    trail = Trail()
    for second in range(0, 10_000, 100):
        trail.look(float(second), 7, 7)
        assert not trail.behind


def test_the_first_look_knows_nothing_of_before() -> None:
    """An API that starts beside a persist that catches up waits as long as any other."""
    trail = Trail()
    trail.look(50.0, 1_000, 0)
    assert not trail.behind
    trail.look(50.0 + BEHIND_SECONDS, 1_000, 0)
    assert trail.behind


@given(st.lists(st.tuples(st.floats(0.1, 3), st.integers(0, 5), st.integers(0, 5)), max_size=60))
def test_behind_means_that_what_is_old_is_not_read(steps: list[tuple[float, int, int]]) -> None:
    """Exactly when some end that is old enough is above what was read."""
    trail, now, end, read = Trail(), 0.0, 0, 0
    ends: list[tuple[float, int]] = []
    for passed, written, taken in steps:
        now, end = now + passed, end + written
        read = min(end, read + taken)
        ends.append((now, end))
        trail.look(now, end, read)
        assert trail.behind == any(at <= now - BEHIND_SECONDS and read < then for at, then in ends)


def test_either_store_is_enough() -> None:
    """A delete reaches reads through the window or the archive; both must stand still to refuse."""
    clock = Clock()
    freshness = Freshness(Kafka(partitions=2), clock)
    for archive, window, stale in ((10, 20, False), (20, 10, False), (10, 10, True), (20, 20, False)):
        for _ in range(2):
            freshness.note("archive", {0: 20, 1: 5}, {0: archive, 1: 5})
            freshness.note("window", {0: 20, 1: 5}, {0: window, 1: 5})
            clock.now += BEHIND_SECONDS
        assert freshness.stale(0) is stale
        assert freshness.count == int(stale)
        assert not freshness.stale(1)


def test_a_group_that_has_committed_nothing_has_read_nothing() -> None:
    """A mistyped group refuses reads; it does not let everything pass."""
    clock = Clock()
    freshness = Freshness(Kafka(partitions=1), clock)
    for _ in range(3):
        for name in GROUPS:
            freshness.note(name, {0: 3}, {})
        clock.now += BEHIND_SECONDS
    assert freshness.stale(0)
