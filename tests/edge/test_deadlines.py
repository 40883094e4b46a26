"""The wheel of deadlines."""

from hypothesis import given
from hypothesis import strategies as st

from edge.deadlines import TICK_SECONDS, Deadlines
from tests.edge.timing import Clock


class Thing:
    """Asked at a time; may want to be asked again."""

    def __init__(self, clock: Clock, again: list[float]) -> None:
        self.clock = clock
        self.again = again
        self.asked: list[float] = []

    def deadline(self, now: float) -> float | None:
        assert now == self.clock.now
        self.asked.append(now)
        return now + self.again.pop(0) if self.again else None


@given(
    st.lists(st.tuples(st.floats(-1, 30), st.lists(st.floats(-1, 5), max_size=3)), max_size=20),
    st.floats(0, 1),
)
def test_everybody_is_asked_soon_after_their_time_and_never_before(
    things: list[tuple[float, list[float]]], start: float
) -> None:
    """Within two ticks; as often as they want; with one timer for all."""
    clock = Clock(1_000 + start)
    deadlines = Deadlines(clock.loop)
    made = []
    for delay, again in things:
        thing = Thing(clock, list(again))
        due = [clock.now + delay]
        deadlines.add(thing, due[0])
        made.append((thing, due, again))
    assert len(clock._timers) == 1
    clock.advance(60)
    for thing, [first], again in made:
        assert len(thing.asked) == 1 + len(again)
        wanted = first
        for number, asked in enumerate(thing.asked):
            assert asked >= wanted
            assert asked - max(wanted, 1_000 + start) <= 2 * TICK_SECONDS + 1e-9 or number
            wanted = asked + again[number] if number < len(again) else wanted
    deadlines.stop()


def test_a_loop_that_stood_still_catches_up() -> None:
    """Slots that passed meanwhile are served at the next tick."""
    clock = Clock()
    deadlines = Deadlines(clock.loop)
    thing = Thing(clock, [])
    deadlines.add(thing, clock.now + 1)
    clock.now += 100
    clock.advance(TICK_SECONDS)
    assert len(thing.asked) == 1
    deadlines.stop()


def test_nobody_is_asked_after_the_end() -> None:
    """Stopping takes the timer away."""
    clock = Clock()
    deadlines = Deadlines(clock.loop)
    thing = Thing(clock, [])
    deadlines.add(thing, clock.now + 1)
    deadlines.stop()
    clock.advance(10)
    assert thing.asked == []
